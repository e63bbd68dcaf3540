/// What the clients of a `AdminServer` may use. The defaults fit probes and scrapes: small heads, pages that are read at once.
package struct AdminServerLimits: Sendable {
    /// Connections that are served at once. One more takes the place of another one.
    package var maximumConnections = 128
    /// Time from the connection to the end of the request's head, however slowly it arrives.
    package var headDeadline = Duration.seconds(2)
    /// Time from the head to the last byte of the answer.
    package var responseDeadline = Duration.seconds(10)
    /// Time that a client has to close its side once the answer is sent.
    package var closeDeadline = Duration.seconds(1)
    /// Bytes of answers that all clients together have not read yet. One answer may be larger.
    package var maximumUnsentBytes = 8 << 20

    package init() {}
}
