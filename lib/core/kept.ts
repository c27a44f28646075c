/** Returns the object it is given; a class that extends it adds its private fields to that object. */
const Given = function (object: object): object {
  return object;
} as unknown as new (object: object) => object;

/**
 * Makes a place where something is kept with objects of others, for as long as those exist: a WeakMap of which only this
 * place knows, but one that costs next to nothing for objects that come and go with each request.
 */
export function placeWith<Value>(): { of(object: object): Value | undefined; keep(object: object, value: Value): void } {
  return class Place extends Given {
    #value: Value;

    private constructor(object: object, value: Value) {
      super(object);
      this.#value = value;
    }

    static of(object: object): Value | undefined {
      return #value in object ? object.#value : undefined;
    }

    static keep(object: object, value: Value): void {
      if (#value in object) object.#value = value;
      // oxlint-disable-next-line no-new -- it is the object that gets the field
      else new Place(object, value);
    }
  };
}
