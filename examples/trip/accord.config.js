/** What the command `accord` runs here. */
exports.project = require('./dist/project.js').project;
