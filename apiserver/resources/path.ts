/**
 * Field paths: where in an object something stands: "spec.containers[0].env[1].name".
 *
 * Nearly all objects are right, so a path is only a chain of links until an error shows it: rules pass
 * links on, and nothing is written for what is good. A path that is known beforehand may be a string.
 */

export type At = string | Path;

export class Path {
  readonly parent: At;
  readonly key: string | number;
  readonly bracketed: boolean;

  constructor(parent: At, key: string | number, bracketed: boolean) {
    this.parent = parent;
    this.key = key;
    this.bracketed = bracketed;
  }

  toString(): string {
    let text = "";
    let at: At = this;
    while (typeof at !== "string") {
      text = (at.bracketed ? `[${at.key}]` : at.parent === "" ? `${at.key}` : `.${at.key}`) + text;
      at = at.parent;
    }
    return at + text;
  }
}

/** "spec" ► "spec.name" */
export const child = (parent: At, name: string): Path => new Path(parent, name, false);

/** "spec.containers" ► "spec.containers[0]" */
export const item = (parent: At, index: number): Path => new Path(parent, index, true);

/** "spec.hard" ► "spec.hard[pods]" */
export const entry = (parent: At, key: string): Path => new Path(parent, key, true);
