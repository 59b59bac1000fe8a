/** Every command of this checkout is about its own application. */
import { installApplication } from '../contracts/engine/application';
import { shop } from '../contracts/shop';

installApplication(shop);
