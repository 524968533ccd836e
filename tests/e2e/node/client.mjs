// Submits a photo and watches it to its end, knowing nothing but the service's address: everything else comes by
// reflection. Arguments: target, token, photo. Prints one JSON object.
import { readFile } from "node:fs/promises";
import { credentials, Metadata } from "@grpc/grpc-js";
import { GrpcReflection } from "grpc-js-reflection-client";

const SERVICE = "whitebg.v1.GeneratorService";
const [target, token, photo] = process.argv.slice(2);

const insecure = credentials.createInsecure();
const reflection = new GrpcReflection(target, insecure);
const services = await reflection.listServices();
const descriptor = await reflection.getDescriptorBySymbol(SERVICE);
const { GeneratorService } = descriptor.getPackageObject({ longs: String, enums: String }).whitebg.v1;

const service = new GeneratorService(target, insecure);
const metadata = new Metadata();
metadata.set("authorization", `Bearer ${token}`);

const watch = service.watchTasks({}, metadata);
const events = [];
let taskId;

const ended = new Promise((resolve, reject) => {
  watch.on("error", reject);
  watch.on("data", ({ items }) => {
    for (const { event, bookmark } of items) {
      if (bookmark?.caught_up && taskId === undefined) submit().catch(reject);
      if (event) events.push({ seq: event.seq, type: event.type, taskId: event.task.task_id });
      if (event?.type === "EVENT_TYPE_COMPLETED") resolve();
      else if (event?.task.error) reject(new Error(event.task.error.message));
    }
  });
});

async function submit() {
  taskId = null;
  const image = await readFile(photo);
  const request = { image, filename: "mug.png", options: { engine: "ENGINE_LOCAL", size_px: 100 } };
  taskId = await new Promise((resolve, reject) => {
    service.submitTask(request, metadata, (error, answer) => (error ? reject(error) : resolve(answer.task.task_id)));
  });
}

await ended;
watch.removeAllListeners("error").on("error", () => {}); // Cancelling is how a watch is closed; grpc-js calls it an error.
watch.cancel();
service.close();
console.log(JSON.stringify({ services, taskId, events }));
process.exit(0); // The reflection client has no way to close its channel.
