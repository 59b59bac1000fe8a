import { shop } from '../../contracts/shop';
import { runRelay } from './run';

runRelay({ application: shop });
