/** No protection. */
export default () => ({});
