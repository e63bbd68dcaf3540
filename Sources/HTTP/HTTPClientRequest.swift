package import Cryptography
package import HTTPTypes

/// A complete request. Its body is in memory, as the largest bodies are Secrets.
package struct HTTPClientRequest: Sendable {
    /// Selects the connection pool, and when the handler gets the response.
    package enum TransferMode: Sendable {
        /// Shares connections with other requests, as streams of HTTP/2 where the server speaks it. The handler gets
        /// the response once its body is complete, up to a limit.
        case unary
        /// Uses an HTTP/1.1 connection of its own. The handler gets the response with its head and reads the body at
        /// its own pace, so that a slow reader of a watch does not delay other requests.
        case streaming
    }

    package enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// libcurl gets a pointer to the secret, so that no other copy exists.
        case secret(SharedSecret)
    }

    /// A header such as `Authorization` or `X-Vault-Token`, whose value must not be logged, indexed by HPACK or left in
    /// memory.
    package struct SecretField: Sendable {
        package let name: HTTPField.Name
        package let value: SharedSecret

        package init(name: HTTPField.Name, value: SharedSecret) {
            self.name = name
            self.value = value
        }
    }

    package var method: HTTPRequest.Method
    /// An absolute URL, already percent-encoded.
    package var url: String
    package var fields: HTTPFields
    package var secretFields: [SecretField]
    package var body: Body
    package var mode: TransferMode
    /// The time from the call to the last byte of the response. Only watches have none.
    package var timeout: Duration?
    /// The longest time without a received byte while the caller reads.
    package var idleTimeout: Duration?
    /// The limit for the body of a unary response in bytes, if it is lower than the client's. A larger one fails with
    /// `.responseTooLarge`.
    package var maximumResponseBody: Int?

    package init(
        method: HTTPRequest.Method = .get, url: String, fields: HTTPFields = [:],
        secretFields: [SecretField] = [], body: Body = .none, mode: TransferMode = .unary,
        timeout: Duration? = .seconds(30), idleTimeout: Duration? = nil,
        maximumResponseBody: Int? = nil
    ) {
        self.method = method
        self.url = url
        self.fields = fields
        self.secretFields = secretFields
        self.body = body
        self.mode = mode
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.maximumResponseBody = maximumResponseBody
    }
}
