import Concurrency
import Cryptography
import HTTP
import HTTPTypes
import JSON

/// A client for one API server. Safe to use from many tasks at once, which share one connection.
///
/// Guarantees: every request has a deadline and ends when its task is cancelled. Requests that are safe to repeat (reads,
/// and anything that the server refused with 429) are retried with backoff, and a refused credential is renewed once. The
/// caller decides about all other retries.
package struct KubeClient: Sendable {
    enum Body: Sendable {
        case none
        case bytes([UInt8], contentType: String)
        case secret(SharedSecret, contentType: String)
    }

    struct Request: Sendable {
        var method: HTTPRequest.Method
        var path: String
        var query: [(String, String)] = []
        var accept = MediaType.json
        var body = Body.none
        var activity: String
        /// The limit for the response's body in bytes.
        var maximumResponseSize = KubeClient.maximumObjectSize
    }

    /// The limit for the JSON of one object in bytes. etcd stores 1.5 MiB, or what its `--max-request-bytes` says, and JSON
    /// escapes some characters as six (`\u003c`).
    static let maximumObjectSize = 64 << 20
    /// The limit for a response with only metadata. Annotations have 256 KiB at most; a far larger response is an attempt
    /// to exhaust memory.
    static let maximumMetadataSize = 1 << 20
    /// The limit for the JSON of a Secret, whose data of 1 MiB grows with base64 and managedFields.
    package static let maximumSecretSize = 8 << 20

    /// The field manager of the controller's writes in `managedFields`.
    package static let fieldManager = "secrets-bridge"

    private static let maximumAttempts = 4
    /// The longest delay that is waited here. A caller has other work for the time of a longer one.
    private static let maximumDelay = Duration.seconds(5)

    let connection: APIConnection
    private let sleep: Sleep

    /// - Parameter sleep: waits between attempts.
    package init(
        connection: APIConnection, sleep: @escaping Sleep = { try await Task.sleep(for: $0) }
    ) {
        self.connection = connection
        self.sleep = sleep
    }

    /// Sends `request`, up to four times if it is safe to repeat.
    ///
    /// - Returns: the value that `read` returns for the body of a 2xx response.
    func perform<Value: Sendable>(
        _ request: Request, _ read: @Sendable (UnsafeRawBufferPointer) throws(KubeError) -> Value
    ) async throws(KubeError) -> Value {
        var backoff = Backoff(base: .milliseconds(100), maximum: .seconds(2))
        for _ in 1..<Self.maximumAttempts {
            do {
                return try await connection.send(request, read)
            } catch {
                let isRepeatable =
                    request.method == .get ? error.isRetryable : error.code == .tooManyRequests
                let delay = max(error.retryAfter ?? .zero, backoff.next())
                guard isRepeatable, delay <= Self.maximumDelay else { throw error }
                guard (try? await sleep(delay)) != nil else {
                    throw KubeError(.cancelled, activity: request.activity, message: "cancelled")
                }
            }
        }
        return try await connection.send(request, read)
    }

    /// Sends `request` and decodes the response.
    func perform<Value: JSONReadable & Sendable>(
        _ request: Request, _ type: Value.Type = Value.self
    ) async throws(KubeError) -> Value {
        try await perform(request) { bytes throws(KubeError) in
            try Self.decode(type, from: bytes, activity: request.activity)
        }
    }

    static func decode<Value: JSONReadable>(
        _ type: Value.Type, from bytes: UnsafeRawBufferPointer, activity: String
    ) throws(KubeError) -> Value {
        do {
            return try JSONReader.read(type, from: bytes)
        } catch  where error.isSyntax {
            throw KubeError(.malformedResponse, activity: activity, message: "the response is not JSON")
        } catch {
            throw KubeError(
                .malformedResponse, activity: activity, message: "the response is malformed: \(error)")
        }
    }
}

/// Waits, and throws if the task is cancelled. Tests pass a function that does not wait.
package typealias Sleep = @Sendable (Duration) async throws -> Void

enum MediaType {
    static let json = "application/json"
    static let metadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    static let metadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
}
