package import Cryptography
package import HTTPTypes

/// One request, complete before it starts. Bodies are held in memory: the largest thing we send is a Secret.
package struct HTTPClientRequest: Sendable {
    /// Which connections a request may share.
    package enum TransferMode: Sendable {
        /// Multiplexed over one HTTP/2 connection. The body is collected, up to a limit, before the
        /// response is handed over.
        case unary
        /// An HTTP/1.1 connection of its own, read as fast as the body is consumed, so that a slow reader
        /// of a watch delays nobody else.
        case streaming
    }

    package enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Given to libcurl by pointer, never copied by us.
        case secret(SharedSecret)
    }

    /// A header whose value must not be logged, indexed or left in memory: `Authorization`, `X-Vault-Token`.
    package struct SecretField: Sendable {
        package let name: HTTPField.Name
        package let value: SharedSecret

        package init(name: HTTPField.Name, value: SharedSecret) {
            self.name = name
            self.value = value
        }
    }

    package var method: HTTPRequest.Method
    /// Absolute, already percent-encoded.
    package var url: String
    package var fields: HTTPFields
    package var secretFields: [SecretField]
    package var body: Body
    package var mode: TransferMode
    /// From the call to the last byte of the response; nil only for watches.
    package var timeout: Duration?
    /// Longest time without a single byte received, while we read; nil: no limit.
    package var idleTimeout: Duration?
    /// Unary lane: bytes of body above which the exchange fails with `.responseTooLarge`. nil: the client's
    /// own limit, which holds in any case.
    package var maximumResponseBody: Int?

    package init(
        method: HTTPRequest.Method = .get, url: String, fields: HTTPFields = [:],
        secretFields: [SecretField] = [], body: Body = .none, lane: TransferMode = .unary,
        timeout: Duration? = .seconds(30), idleTimeout: Duration? = nil,
        maximumResponseBody: Int? = nil
    ) {
        self.method = method
        self.url = url
        self.fields = fields
        self.secretFields = secretFields
        self.body = body
        self.mode = lane
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.maximumResponseBody = maximumResponseBody
    }
}
