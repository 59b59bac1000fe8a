import { installApplication } from '../../contracts/engine/application';
import { shop } from '../../contracts/shop';

// As every process does at its start.
installApplication(shop);
