// Calls every method of the descriptor four times: a stock Connect client in JSON and in binary,
// curl at the same door, and curl at the REST path where there is one. All must say the same.
//
//   node walk.mjs URL GRAPH [SERVICE.METHOD...]       DATABUILD_TOKEN: the bearer token
import {execFileSync} from "node:child_process";
import {equals, fromJson, toJson} from "@bufbuild/protobuf";
import {Code, ConnectError, createClient} from "@connectrpc/connect";
import {createConnectTransport} from "@connectrpc/connect-node";
import {file_databuild_v1_databuild as file} from "./databuild/v1/databuild_pb.js";

const [url, graph] = process.argv.slice(2);
const token = process.env.DATABUILD_TOKEN;

// JobExecute is what a job's container does; no rpc runs anything.
const NOT_SERVED = new Set(["JobExecute"]);
// Methods that the server at hand does not answer; each must say so, and no other may.
const UNANSWERED = new Set(process.argv.slice(4));

const services = file.desc?.services ?? file.services;

function clients(useBinaryFormat) {
  const interceptors = [(next) => (request) => {
    request.header.set("databuild-graph", graph);
    if (token) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  }];
  const transport = createConnectTransport({baseUrl: url, httpVersion: "1.1", useBinaryFormat, interceptors});
  return new Map(services.map((service) => [service.name, createClient(service, transport)]));
}

function curl(path, body) {
  const words = ["-sS", "--max-time", "30", "--fail-with-body", "-H", `databuild-graph: ${graph}`];
  if (token) words.push("-H", `Authorization: Bearer ${token}`);
  if (body !== undefined) words.push("-H", "Content-Type: application/json", "-d", JSON.stringify(body));
  return JSON.parse(execFileSync("curl", [...words, url + path], {encoding: "utf8", maxBuffer: 1 << 28}));
}

// Something of each kind that the graph knows, by the names that requests give it.
async function findKnown(client) {
  const first = (page, rows) => {
    if (page[rows].length === 0) throw new Error(`the graph has no ${rows}: nothing to walk`);
    return page[rows][0];
  };
  const run = first(await client.listJobRuns({}), "jobRuns");
  const build = run.buildRequestId;
  const ref = run.targetPartitions[0].str;
  return {
    graph, want_id: first(await client.listWants({}), "wants").want.wantId,
    taint_id: first(await client.listTaints({}), "taints").taintId, build_id: build, build_request_id: build,
    job_label: run.jobLabel, job_run_id: run.jobRunId, ref, partition_ref: ref, partition: ref, partitions: [ref],
    outputs: [ref],
  };
}

// The request as JSON: whatever has a known name; a batch holds one call of each kind that it can.
function requestFor(method, known) {
  if (method.name === "Batched") {
    return {requests: {wants: {listWants: {pageSize: 2}}, want: {getWantSummary: {wantId: known.want_id}},
      events: {getBuildEvents: {limit: "3"}}, nobody: {getTaintSummary: {taintId: "nobody"}}}};
  }
  // The same key each time: the first call writes, the others are told what it wrote.
  if (method.name === "PutWants") return {wants: [{ref: {str: known.ref}, priority: 7}], idempotencyKey: "walk"};
  if (method.name === "PutTaints") return {refs: [{str: "walk/nowhere"}], idempotencyKey: "walk"};
  const request = {};
  for (const field of method.input.fields) {
    const value = known[field.name];
    if (value === undefined || field.name === "graph") continue;
    const isRef = field.message?.typeName === "databuild.v1.PartitionRef";
    const values = [value].flat().map((one) => (isRef ? {str: one} : one));
    request[field.jsonName] = field.fieldKind === "list" ? values : values[0];
  }
  return request;
}

// The method's REST path with its variables filled in; undefined: it has none.
function restPath(document, method, known) {
  for (const [path, operations] of Object.entries(document.paths)) {
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(known[name]));
    if (operations.post?.operationId === method.name) return filled;
    if (operations.get?.operationId !== method.name) continue;
    const query = operations.get.parameters
      .filter((parameter) => parameter.in === "query" && parameter.name in known && parameter.name !== "graph")
      .flatMap(({name}) => [known[name]].flat().map((value) => `${name}=${encodeURIComponent(value)}`));
    return query.length ? `${filled}?${query.join("&")}` : filled;
  }
  return undefined;
}

function same(schema, what, one, other) {
  if (equals(schema, one, other)) return;
  const text = (message) => JSON.stringify(toJson(schema, message)).slice(0, 1500);
  throw new Error(`${what} differ:\n${text(one)}\n${text(other)}`);
}

const writes = (method) => method.name.startsWith("Put");

async function walk(method, {json, binary, document, known}) {
  const service = method.parent.name;
  const request = requestFor(method, known);
  const message = () => fromJson(method.input, request);
  const byJson = await json.get(service)[method.localName](message());
  const byBinary = await binary.get(service)[method.localName](message());
  same(method.output, "JSON and binary", byJson, byBinary);
  const byCurl = curl(`/${method.parent.typeName}/${method.name}`, request);
  same(method.output, "the client and curl", byJson, fromJson(method.output, byCurl));
  const path = restPath(document, method, known);
  if (path === undefined) return "";
  const byPath = curl(path, writes(method) ? request : undefined);
  same(method.output, `the client and ${path}`, byJson, fromJson(method.output, byPath));
  return path;
}

// An error arrives as the client's own, with what it says about the field.
async function checkErrors(client) {
  try {
    await client.listWants({pageSize: 501});
  } catch (error) {
    const connect = ConnectError.from(error);
    const [detail] = connect.details;
    if (connect.code === Code.InvalidArgument && detail?.type === "google.rpc.BadRequest" &&
        Buffer.from(detail.value).includes("page_size")) return;
    throw error;
  }
  throw new Error("a page of 501 was answered");
}

async function checkUnanswered(client, method) {
  try {
    await client[method.localName]({});
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unimplemented) return;
  }
  throw new Error("is answered, although this server should not");
}

const json = clients(false);
const binary = clients(true);
await checkErrors(json.get("DataBuildService"));
await checkErrors(binary.get("DataBuildService"));
const world = {json, binary, document: curl("/api/v1/openapi.json"), known: await findKnown(json.get("DataBuildService"))};
let walked = 0;
let failed = 0;
// What writes comes last: an operator acts on it, and the graph would change between two questions.
const methods = services.filter(({name}) => !NOT_SERVED.has(name)).flatMap((service) => service.methods)
  .sort((one, other) => writes(one) - writes(other));
for (const method of methods) {
  const service = method.parent.name;
  const name = `${service}.${method.name}`;
  try {
    if (UNANSWERED.has(name)) {
      await checkUnanswered(json.get(service), method);
      continue;
    }
    console.log(`${name} ${await walk(method, world)}`);
    walked += 1;
  } catch (error) {
    console.error(`${name}: ${error.message}\n${error.stdout ?? ""}`);
    failed += 1;
  }
}
console.log(`${walked} methods walked, ${failed} failed`);
process.exit(failed || !walked ? 1 : 0);
