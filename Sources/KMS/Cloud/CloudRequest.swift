import Cryptography
import Envelope
import HTTP
import HTTPTypes
import JSON

/// A request without its token.
struct CloudRequest: Sendable {
    var method = HTTPRequest.Method.post
    /// The path and query after the service's address, of validated names: `/v1/projects/p:encrypt`.
    let path: String
    var fields: HTTPFields = [:]
    var body: JSONValue?
    /// The name of the operation for messages, as permissions or the service's documentation have it.
    let action: String
    /// The key that messages name.
    let resource: String?
    /// The operation on a data key, for the observer. Nil if the request does not concern data keys.
    var operation: KeyManagerOperation?
    /// The time for all attempts, and for waiting before and between them.
    var timeout = Duration.seconds(15)

    /// `cloudkms.cryptoKeyVersions.useToDecrypt on projects/p/…`
    var description: String { resource.map { "\(action) on \($0)" } ?? action }
}

/// A response with any status. Scalars of the body stay in secret memory.
struct CloudResponse: Sendable {
    let status: Int
    let fields: HTTPFields
    /// The body, if it is a JSON object.
    let body: JSONValue?

    init(_ head: HTTPResponseHead, body: borrowing SecretBytes) {
        status = head.status.code
        fields = head.fields
        let json = try? JSONValue(parsing: body)
        self.body = json?.members == nil ? nil : json
    }

    var isSuccess: Bool { 200..<300 ~= status }

    /// The delay that the server asked for, if it did.
    var retryAfter: Duration? { fields.retryDelay }
}

/// One service of a cloud: what `CloudClient` has to know to send requests to it and to describe its errors.
protocol CloudService: Sendable {
    /// The name in messages, with the address: `Cloud KMS (https://cloudkms.googleapis.com)`.
    var name: String { get }
    var address: ServerAddress { get }
    /// The backend, as key ids name it, for the observer.
    var backend: String { get }
    /// The fields of every request, besides those for JSON and the token.
    var fields: HTTPFields { get }

    /// Describes an error response. `CloudClient` repeats the request for the codes `throttled` and `unavailable`.
    func error(for response: CloudResponse, to request: CloudRequest) -> CloudError

    /// Returns the remedy to append to the description of a request without a response, if there is a better one than that
    /// of the description itself.
    func remedy(for error: HTTPError) -> String?
}
