/**
 * Custom contract: a CustomResourceDefinition as the rest of this folder reads it (apiextensions.k8s.io/v1).
 *
 * Decoding has checked the shape; what is missing or wrong is told by definition-rules.ts. A definition is
 * stored by its own row like any object: registry.ts turns it into rows of the table of resources.
 */
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { WebhookClientConfig } from "../webhooks/contract.ts";

/** JSONSchemaProps: a schema as it is written in a definition. */
export interface SchemaProps {
  readonly type?: string;
  readonly format?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly example?: unknown;
  readonly externalDocs?: unknown;
  readonly nullable?: boolean;
  readonly maximum?: number;
  readonly exclusiveMaximum?: boolean;
  readonly minimum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly multipleOf?: number;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly maxItems?: number;
  readonly minItems?: number;
  readonly uniqueItems?: boolean;
  readonly maxProperties?: number;
  readonly minProperties?: number;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly items?: SchemaProps | readonly SchemaProps[];
  readonly properties?: Readonly<Record<string, SchemaProps>>;
  readonly additionalProperties?: SchemaProps | boolean;
  readonly allOf?: readonly SchemaProps[];
  readonly anyOf?: readonly SchemaProps[];
  readonly oneOf?: readonly SchemaProps[];
  readonly not?: SchemaProps;
  readonly id?: string;
  readonly $ref?: string;
  readonly patternProperties?: Readonly<Record<string, SchemaProps>>;
  readonly dependencies?: Readonly<Record<string, unknown>>;
  readonly additionalItems?: SchemaProps | boolean;
  readonly definitions?: Readonly<Record<string, SchemaProps>>;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-map-type"?: string;
  readonly "x-kubernetes-validations"?: readonly ValidationRule[];
}

export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

export interface Names {
  readonly plural: string;
  readonly singular?: string;
  readonly kind: string;
  readonly listKind?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

export interface Subresources {
  readonly status?: Readonly<Record<string, unknown>>;
  readonly scale?: {
    readonly specReplicasPath: string;
    readonly statusReplicasPath: string;
    readonly labelSelectorPath?: string;
  };
}

export interface DefinedVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly deprecated?: boolean;
  readonly deprecationWarning?: string;
  readonly schema?: { readonly openAPIV3Schema?: SchemaProps };
  readonly subresources?: Subresources;
  readonly additionalPrinterColumns?: readonly PrinterColumn[];
  readonly selectableFields?: readonly { readonly jsonPath: string }[];
}

export interface Conversion {
  readonly strategy: string;
  readonly webhook?: {
    readonly clientConfig?: WebhookClientConfig;
    readonly conversionReviewVersions?: readonly string[];
  };
}

export interface DefinitionSpec {
  readonly group: string;
  readonly names: Names;
  readonly scope: string;
  readonly versions: readonly DefinedVersion[];
  readonly conversion?: Conversion;
  readonly preserveUnknownFields?: boolean;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
  readonly observedGeneration?: number;
}

export interface DefinitionStatus {
  readonly acceptedNames?: Names;
  readonly conditions?: readonly Condition[];
  readonly storedVersions?: readonly string[];
}

export interface Definition extends StoredObject {
  readonly spec: DefinitionSpec;
  readonly status?: DefinitionStatus;
}

export const DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io";
export const CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";

export function conditionOf({ status }: Pick<Definition, "status">, type: string): Condition | undefined {
  return status?.conditions?.find((one) => one.type === type);
}

export const isTrue = (definition: Pick<Definition, "status">, type: string): boolean =>
  conditionOf(definition, type)?.status === "True";

/** The schema of a list's items: a list of schemas is refused when the definition is made. */
export const itemsOf = ({ items }: SchemaProps): SchemaProps | undefined =>
  Array.isArray(items) ? undefined : (items as SchemaProps | undefined);

/** The schema of a map's values; undefined where values are not restricted. */
export const valuesOf = ({ additionalProperties }: SchemaProps): SchemaProps | undefined =>
  typeof additionalProperties === "object" ? additionalProperties : undefined;

export const propertyOf = ({ properties }: SchemaProps, name: string): SchemaProps | undefined =>
  properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;

/** metadata, kind and apiVersion of a resource are known without a schema. */
export const META_FIELDS: ReadonlySet<string> = new Set(["metadata", "kind", "apiVersion"]);
