/**
 * Limits: every bound on what a process keeps or accepts, in one place.
 *
 * A buffer, queue or cache without a line here is a defect. Units stand in the name.
 */

const KB = 1024;
const MB = 1024 * KB;

export const limits = {
  /** Audit events that wait to be written; more are lost, and counted. */
  auditBufferBytes: 16 * MB,
  /** Largest request body, as in Kubernetes (3 MiB); larger ones get 413. */
  requestBodyBytes: 3 * MB,
  /** How long a client may take to send a body. */
  requestBodyMs: 30_000,
  /** A file from which a container takes environment variables. */
  envFileBytes: 64 * KB,
  /**
   * Requests that an API server answers at a time; more are told to come back (429). On top of them, kept for
   * the cluster's own components, and for heartbeats and administrators.
   */
  requestsInFlight: 800,
  requestsInFlightSystem: 150,
  requestsInFlightVital: 50,
  /** Requests that wait for room, of each share and of one flow in it, and how long. */
  requestsWaiting: 1_000,
  requestsWaitingOfOne: 200,
  requestWaitMs: 15_000,
  /** How long an answer that is being written counts as a request in flight. */
  answerMs: 10_000,
  /** What the bodies of those requests may take in memory, by the same shares. */
  bodiesInFlightBytes: 96 * MB,
  bodiesInFlightSystemBytes: 24 * MB,
  bodiesInFlightVitalBytes: 8 * MB,
  /** A request's line and headers together; more is 431. */
  requestHeaderBytes: 64 * KB,
  requestHeaders: 500,
  /** Open connections, watches and streams among them. At the limit idle ones are closed and new ones dropped. */
  connections: 20_000,
  /** How long an idle connection is kept for its next request. */
  keepAliveMs: 120_000,
  /** How long what is no request is read on after its answer, as Go's servers do, so that the answer arrives. */
  lingerMs: 500,
  /** How long a server that stops waits for open requests. */
  drainMs: 10_000,
  /** Answers from this size on are compressed for clients that take it, as in Kubernetes. */
  gzipFromBytes: 128 * KB,
  /** Files that one component reads at the same time. */
  openFiles: 32,
  /** Longest text that an expression may make by replacing or joining. */
  celTextChars: 16 * MB,
  /** Longest time that an object gets to end: 68 years. */
  gracePeriodSeconds: 2 ** 31 - 1,
  /** Deepest nesting of a JSON body. */
  jsonDepth: 200,
  /** Entries of managedFields for updates; the oldest of more become one, as in Kubernetes. */
  updateManagers: 10,
  /** Steps that are remembered so that equal field sets are shared, and texts of keys of their paths. */
  fieldSetStates: 40_000,
  fieldSetTexts: 4_096,
  /** Operations in one JSON patch, as in Kubernetes. */
  jsonPatchOperations: 10_000,
  /** What the copy operations of one JSON patch may add, as in Kubernetes: copies of copies grow fast. */
  jsonPatchCopiedBytes: 3 * MB,
  /** How often a write is tried again on a newer version before it is a conflict. */
  commitAttempts: 16,
  /** How often another name is generated when the one for generateName is taken. */
  generateNameAttempts: 8,
  /** How long a call of an etcd server may take. */
  storeCallMs: 10_000,
  /** How long a request may take that is no watch or stream, unless it asks for less; as in Kubernetes. */
  requestMs: 60_000,
  /** Default and largest number of items that one store page brings. */
  listPageItems: 500,
  /** Events that wait for one watcher before it is cut off. */
  watchQueueEvents: 10_000,
  /** What those events may keep in memory, and how long a watcher may take nothing before its connection is closed. */
  watchQueueBytes: 32 * MB,
  watchStallMs: 30_000,
  /** Bytes of events that are written to a watcher before it is waited for, one event aside. */
  watchPieceBytes: 64 * KB,
  /** Events that the watch cache keeps per resource for watches that resume. */
  watchWindowEvents: 20_000,
  /** What those events may keep in memory, per resource, and how long they are of use. */
  watchWindowBytes: 32 * MB,
  watchWindowMs: 10 * 60_000,
  /** Revisions of the past from which the watch cache of a new process begins, so that watches may resume. */
  watchWindowRevisions: 10_000,
  /** JSON of the objects that the watch cache keeps parsed; others are parsed when they are asked for. */
  parsedObjectBytes: 16 * MB,
  /** JSON of the definitions of custom kinds whose schemas are kept ready for use. */
  usedSchemaBytes: 16 * MB,
  /** How often the watch cache is compared with the store. */
  consistencyCheckMs: 5 * 60_000,
  /** Event history kept by the store: whichever bound is reached first. */
  historyMs: 3_600_000,
  historyBytes: 256 * MB,
  /** Longest a watch is served before the client must ask again, unless it asks for less. */
  watchMs: 30 * 60_000,
  /** Client: largest answer, largest event of a watch, and how long an answer may be silent. */
  responseBytes: 512 * MB,
  watchLineBytes: 16 * MB,
  requestIdleMs: 60_000,
  /** Client: idle time after which the kernel asks whether the peer still lives. */
  tcpKeepAliveMs: 15_000,
  /** Informer: first and longest back-off between attempts to list or watch. */
  informerBackoffMs: 100,
  informerMaxBackoffMs: 5_000,
  /** Informer: how long a watch is asked to last; the real time is spread up to twice this. */
  informerWatchSeconds: 300,
  /** Longest that a loop may keep the process to itself. */
  turnMs: 5,
  /** Work queue: longest back-off between retries of a key. */
  queueMaxBackoffMs: 60_000,
  /** Keys that a work queue holds; more is a defect of the producer and is logged. */
  queueKeys: 200_000,
  /** Scheduler: bindings and conditions being written at the same time. */
  schedulerWrites: 64,
  /** Scheduler: kinds of Pods that are counted by node and domain as they come and go. */
  schedulerTallies: 256,
  /** Scheduler: classes of Pods that ask the same, for which verdicts on nodes are kept. */
  schedulerClasses: 16,
  /** Scheduler: different ways in which a node may lack resources that are remembered. */
  schedulerAnswers: 256,
  /** Scheduler: happenings kept for Pods that are being tried. */
  schedulerMissed: 2_000,
  /** Scheduler: Pods that have a node and wait for a permit or their volumes; at more no other is decided. */
  schedulerReserved: 5_000,
  /** Scheduler: attempts kept for whoever asks why: of one Pod, of how many Pods, and verdicts of all together. */
  schedulerKeptAttempts: 4,
  schedulerKeptPods: 1_000,
  schedulerKeptVerdicts: 100_000,
  /** Verdicts of nodes in one answer why; changes that are tried out in thought for it, and told. */
  explainedNodes: 200,
  triedChanges: 10,
  toldChanges: 3,
  /** Questions that wait for a scheduler of another process, such schedulers, and how long each side waits. */
  schedulingQuestions: 64,
  askedSchedulers: 16,
  questionWaitMs: 25_000,
  answerWaitMs: 5_000,
  /** Events recorder: distinct events waiting to be written. */
  recorderEvents: 1_000,
  /** Events recorder: objects and texts remembered to count repeats. */
  correlatedEvents: 4_096,
  /** Streams that one tunnel or SPDY connection carries at a time. */
  tunnelStreams: 1_000,
  /** Tunnels of one node: the one for new streams, and earlier ones that still carry some. */
  tunnelsPerNode: 2,
  /** Bytes that one end may send on a tunnel or SPDY stream before the other has read. */
  streamWindowBytes: 256 * KB,
  /** Largest frame or message of the streaming protocols. */
  streamFrameBytes: 1 * MB,
  /** How long a client of exec may take to open its streams. */
  streamSetupMs: 30_000,
  /** How long a connection to a Pod may take to stand, and the longest page whose links are rewritten. */
  proxyConnectMs: 10_000,
  proxiedPageBytes: 2 * MB,
  /** How long the other end may take to close a connection that is over. */
  streamCloseMs: 5_000,
  /** A tunnel is pinged this often, and given up when nothing came for so long. */
  tunnelPingMs: 10_000,
  tunnelDeadMs: 30_000,
  /** Nodes that are asked for their metrics at a time, how long one may take, and how much it may tell. */
  nodesAskedForMetrics: 32,
  nodeMetricsMs: 10_000,
  nodeMetricsChars: 16 * MB,
  /** How long a dial waits for an agent that is reconnecting. */
  tunnelDialMs: 5_000,
  /** Longest back-off of an agent that opens its tunnel again. */
  tunnelMaxBackoffMs: 10_000,
  /** How often an API server that shares its store tells that it lives, and after which silence it counts as gone. */
  serverBeatMs: 5_000,
  serverGoneMs: 12_000,
  /** How long other servers may take to say whether they hold a node's tunnel, and how often they are asked. */
  peerDialMs: 2_000,
  peerAskMs: 500,
  /** Aliases that one YAML document may expand. */
  yamlAliases: 1_000,
  /** A component's log file, and how many rotated ones are kept. */
  logFileBytes: 10 * MB,
  logFiles: 5,
  /** DNS: questions passed on at a time, open TCP connections, and questions of one that wait for their answers. */
  dnsForwards: 1_000,
  dnsConnections: 200,
  dnsConnectionQuestions: 32,
  /** Pods that policies bind already, of which the cluster does not tell yet. */
  policyArrivals: 1_000,
  /** DNS: answers of other servers that are kept. */
  dnsCachedAnswers: 10_000,
  dnsCachedBytes: 8 * MB,
  /** Kubelet: callers of its own port, and verdicts on them, that are remembered. */
  kubeletCallers: 1_000,
  /** Container logs, as the kubelet's containerLogMaxSize and containerLogMaxFiles. */
  containerLogBytes: 10 * MB,
  containerLogFiles: 5,
  /** A file that describes a static Pod. */
  staticPodBytes: 10 * MB,
  /** A conversion webhook's time (an admission webhook says its own), and the largest answer of either that is read. */
  webhookMs: 30_000,
  webhookAnswerBytes: 16 * 1024 * 1024,
  /** How long another API server may take for a document about itself, as in Kubernetes. */
  remoteDocumentMs: 5_000,
} as const;
