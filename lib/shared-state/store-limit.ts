/** Longest time that a store may take to answer, in milliseconds. One that takes longer counts as one that fails. */
export const STORE_ANSWER_MS = 5_000;
