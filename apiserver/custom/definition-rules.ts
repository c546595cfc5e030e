import type { FieldErrors } from "../resources/field-errors.ts";
import type { Definition, Names } from "./contract.ts";
export function validateDefinition(_definition: Definition, _old: Definition | undefined, _errors: FieldErrors): void {}
export function validateDefinitionUpdate(_definition: Definition, _old: Definition, _errors: FieldErrors): void {}
export function validateNames(_names: Names, _path: string, _errors: FieldErrors): void {}
