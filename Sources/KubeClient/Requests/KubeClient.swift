import Concurrency
import Cryptography
import HTTP
import HTTPTypes
import JSON

/// A client for one API server. Safe to use from many tasks at once; all of them share one connection.
///
/// Guarantees: every request has a deadline and ends when its task is cancelled. What is safe to repeat
/// (reads, and whatever the server refused with 429) is repeated with backoff; a refused credential is
/// renewed once. Everything else is for the caller to repeat, who knows what it means to do it twice.
package struct KubeClient: Sendable {
    /// What a request carries.
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
        /// Bytes of the answer's body above which it is refused.
        var maximumResponseSize = KubeClient.maximumObjectSize
    }

    /// Bytes of JSON that one object may have: etcd takes 1.5 MiB, or what its `--max-request-bytes` says, and JSON
    /// writes some characters as six (`\u003c`).
    static let maximumObjectSize = 64 << 20
    /// An answer that has metadata alone. Annotations have 256 KiB at most; what is far larger is meant to take memory.
    static let maximumMetadataSize = 1 << 20

    /// Name under which our writes stand in `managedFields`.
    package static let fieldManager = "secrets-bridge"

    private static let attempts = 4
    /// A server that asks for a longer pause gets it from the caller, who has other work meanwhile.
    private static let longestPause = Duration.seconds(5)

    let connection: APIConnection
    private let sleep: Sleep

    /// `sleep` waits between attempts.
    package init(
        connection: APIConnection, sleep: @escaping Sleep = { try await Task.sleep(for: $0) }
    ) {
        self.connection = connection
        self.sleep = sleep
    }

    /// Sends `call`, up to four times where repeating it is safe. Returns what `read` makes of the body of a 2xx response.
    func perform<Value: Sendable>(
        _ call: Request, _ read: @Sendable (UnsafeRawBufferPointer) throws(KubeError) -> Value
    ) async throws(KubeError) -> Value {
        var backoff = Backoff(base: .milliseconds(100), maximum: .seconds(2))
        for _ in 1..<Self.attempts {
            do {
                return try await connection.send(call, read)
            } catch {
                let repeatable = call.method == .get ? error.isRetryable : error.code == .tooManyRequests
                let wait = max(error.retryAfter ?? .zero, backoff.next())
                guard repeatable, wait <= Self.longestPause else { throw error }
                guard (try? await sleep(wait)) != nil else {
                    throw KubeError(.cancelled, activity: call.activity, message: "cancelled")
                }
            }
        }
        return try await connection.send(call, read)
    }

    /// As `perform`, for an answer that is a `Value`.
    func perform<Value: JSONReadable & Sendable>(
        _ call: Request, _ type: Value.Type = Value.self
    ) async throws(KubeError) -> Value {
        try await perform(call) { bytes throws(KubeError) in
            try Self.decode(type, from: bytes, activity: call.activity)
        }
    }

    static func decode<Value: JSONReadable>(
        _ type: Value.Type, from bytes: UnsafeRawBufferPointer, activity: String
    ) throws(KubeError) -> Value {
        do {
            return try JSONReader.read(type, from: bytes)
        } catch  where error.isSyntax {
            throw KubeError(.malformedResponse, activity: activity, message: "the answer is not JSON")
        } catch {
            throw KubeError(
                .malformedResponse, activity: activity, message: "the answer is malformed: \(error)")
        }
    }
}

/// Waits; throws when the task is cancelled meanwhile. Tests put in one that does not wait.
package typealias Sleep = @Sendable (Duration) async throws -> Void

enum MediaType {
    static let json = "application/json"
    static let metadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    static let metadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
}
