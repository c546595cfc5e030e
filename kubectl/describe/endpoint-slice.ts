/** describe endpointslice. */
import type { EndpointSlice } from "../../machinery/objects/kinds.ts";
import type { Describer } from "./describer.ts";
import { writeEvents } from "./events.ts";
import { writeAnnotations, writeLabels, writeMeta } from "./fields.ts";

export const describeEndpointSlice: Describer = async (object, document, context) => {
  const { metadata, addressType, ports = [], endpoints = [] } = object as unknown as EndpointSlice;
  writeMeta(document, object);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, `AddressType:\t${addressType}\n`);
  if (ports.length === 0) document.write(0, "Ports: <unset>\n");
  else {
    document.part();
    document.write(0, "Ports:\n");
    document.write(1, "Name\tPort\tProtocol\n");
    document.write(1, "----\t----\t--------\n");
    for (const { name, port, protocol = "TCP" } of ports) {
      document.write(1, `${name || "<unset>"}\t${port ?? "<unset>"}\t${protocol}\n`);
    }
  }
  if (endpoints.length === 0) document.write(0, "Endpoints: <none>\n");
  else {
    document.part();
    document.write(0, "Endpoints:\n");
  }
  for (const { addresses, conditions, hostname, targetRef, nodeName, zone } of endpoints) {
    document.write(1, `- Addresses:\t${addresses.join(",")}\n`);
    document.write(2, "Conditions:\n");
    document.write(3, `Ready:\t${conditions?.ready ?? "<unset>"}\n`);
    document.write(2, `Hostname:\t${hostname ?? "<unset>"}\n`);
    if (targetRef) document.write(2, `TargetRef:\t${targetRef.kind}/${targetRef.name}\n`);
    document.write(2, `NodeName:\t${nodeName ?? "<unset>"}\n`);
    document.write(2, `Zone:\t${zone ?? "<unset>"}\n`);
  }
  await writeEvents(object, document, context);
};
