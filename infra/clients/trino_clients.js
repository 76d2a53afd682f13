// Unmodified JavaScript clients of Trino and Presto against a running lakehouse.
//
//     NODE_PATH=folder/node_modules node trino_clients.js http://127.0.0.1:8080
//
// Needs the npm packages `trino-client` and `presto-client`; says SKIPPED for one that is absent.

const url = new URL(process.argv[2]);

function check(name, found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    console.log(`FAILED ${name}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
    process.exit(1);
  }
  console.log(`ok ${name}`);
}

function load(name) {
  try {
    return require(name);
  } catch (error) {
    console.log(`SKIPPED: ${name}: ${error.code}`);
    return null;
  }
}

async function trino() {
  const found = load("trino-client");
  if (!found) return;
  const client = found.Trino.create({ server: url.origin, catalog: "lake", auth: new found.BasicAuth("check") });
  const rows = [];
  for await (const page of await client.query("SELECT * FROM (VALUES (1, 'a'), (2, NULL)) t(x, y) ORDER BY x")) {
    if (page.error) throw new Error(page.error.message);
    rows.push(...(page.data ?? []));
  }
  check("trino-client rows", rows, [[1, "a"], [2, null]]);
  let failure = null;
  for await (const page of await client.query("SELECT nope")) failure = page.error?.errorName ?? failure;
  check("trino-client error", failure, "COLUMN_NOT_FOUND");
}

function presto() {
  const found = load("presto-client");
  if (!found) return Promise.resolve();
  const client = new found.Client({ host: url.hostname, port: Number(url.port), user: "check", catalog: "lake", schema: "default" });
  const rows = [];
  return new Promise((resolve, reject) => {
    client.execute({
      query: "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) t(x, y) ORDER BY x",
      data: (error, data) => rows.push(...data),
      success: () => {
        check("presto-client rows", rows, [[1, "a"], [2, null]]);
        resolve();
      },
      error: (error) => reject(new Error(JSON.stringify(error))),
    });
  });
}

trino()
  .then(presto)
  .catch((error) => {
    console.log(`FAILED ${error.stack}`);
    process.exit(1);
  });
