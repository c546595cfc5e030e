/**
 * Pipeline: the real API server in this process, over the memory store, for tests of its clients.
 *
 * Nothing is mocked: requests go through authentication, authorization, admission and validation
 * like any others, only without bytes on a socket.
 */
