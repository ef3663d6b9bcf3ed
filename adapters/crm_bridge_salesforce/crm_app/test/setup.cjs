// Tests run with the real texts of the labels.
const { labels } = require("./labels.cjs");

for (const [name, value] of labels()) {
    jest.doMock(`@salesforce/label/c.${name}`, () => ({ default: value }), { virtual: true });
}
