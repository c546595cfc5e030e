/** Whom the objects of a cache belong to, and on which nodes they are, as they come, change and go. */
import { expect, it } from "vitest";
import type { StoredObject } from "../objects/wire.ts";
import { createObjectCache } from "./object-cache.ts";

function pod(name: string, version: number, owner?: string): StoredObject {
  const controller = owner && { apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace: "a",
      name,
      uid: name,
      resourceVersion: String(version),
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(controller ? { ownerReferences: [controller] } : {}),
    },
  };
}

it("an object is its controller's or an orphan of its namespace, never both, and neither when it is gone", () => {
  const cache = createObjectCache<StoredObject>();
  const belongs = () => [
    cache.orphans("a").length,
    cache.orphans("b").length,
    cache.ownedBy("one").length,
    cache.ownedBy("two").length,
  ];
  cache.put(pod("p", 1));
  expect(belongs()).toEqual([1, 0, 0, 0]);
  cache.put(pod("p", 2, "one"));
  expect(belongs()).toEqual([0, 0, 1, 0]);
  cache.put(pod("p", 3, "two"));
  expect(belongs()).toEqual([0, 0, 0, 1]);
  cache.put(pod("p", 4));
  expect(belongs()).toEqual([1, 0, 0, 0]);
  cache.put(pod("p", 5));
  expect(cache.orphans("a")[0]?.metadata.resourceVersion).toBe("5");
  cache.remove("a/p");
  expect(belongs()).toEqual([0, 0, 0, 0]);
});

it("an object is on the node that its spec names, from then on until it is gone", () => {
  const cache = createObjectCache<StoredObject & { spec?: { nodeName?: string } }>();
  const places = () =>
    ["one", "two"].map((node) => cache.placedOn(node).map(({ metadata }) => metadata.resourceVersion));
  cache.put(pod("p", 1));
  expect(places()).toEqual([[], []]);
  cache.put({ ...pod("p", 2), spec: { nodeName: "one" } });
  cache.put({ ...pod("p", 3), spec: { nodeName: "one" } });
  expect(places()).toEqual([["3"], []]);
  cache.put({ ...pod("p", 4), metadata: { ...pod("p", 4).metadata, uid: "another" }, spec: { nodeName: "two" } });
  expect(places()).toEqual([[], ["4"]]);
  cache.remove("a/p");
  expect(places()).toEqual([[], []]);
});
