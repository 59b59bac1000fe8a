/**
 * The one table of currencies, by digits after the decimal point: ISO 4217, list one, amended to the end of 2025. It
 * has every code whose minor unit is a number: currencies in circulation, funds, units of account. It leaves out
 * metals, drawing rights and test codes: their minor unit is "N.A.", so no amount is a whole number of minor units. A
 * code that ISO withdraws stays in the table, because accounts may still hold it.
 */
const codesByDigits = {
  0: ['BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'],
  2: [
    'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW',
    'CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR',
    'ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV',
    'MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD',
    'SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG',
  ],
  3: ['BHD IQD JOD KWD LYD OMR TND'],
  4: ['CLF UYW'],
} as const;

type Words<Line extends string, Found = never> = Line extends `${infer First} ${infer Rest}`
  ? Words<Rest, Found | First>
  : Found | Line;
type Lines = (typeof codesByDigits)[keyof typeof codesByDigits];

/** A code of ISO 4217 whose minor unit is known. */
export type Currency = Words<Lines[number]>;

/** Digits after the decimal point of each currency that Accord moves. */
export const currencyDigits = Object.fromEntries(
  Object.entries(codesByDigits).flatMap(([digits, lines]) =>
    lines.flatMap((line) => line.split(' ')).map((code) => [code, Number(digits)]),
  ),
) as Readonly<Record<Currency, number>>; // Its type reads the same lines.
