import { runApi } from './run';
import { shopApi } from './shop';

runApi(shopApi);
