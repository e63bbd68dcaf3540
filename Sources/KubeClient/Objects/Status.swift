/// The API server's answer to what it did not do (`kind: Status`).
package struct Status: Decodable, Sendable, Equatable {
    package struct Details: Decodable, Sendable, Equatable {
        package var name: String?
        package var kind: String?
        package var causes: [Cause]?
        package var retryAfterSeconds: Int?
    }

    package struct Cause: Decodable, Sendable, Equatable {
        package var reason: String?
        package var message: String?
        package var field: String?
    }

    package var kind: String?
    package var status: String?
    package var message: String?
    package var reason: String?
    package var details: Details?
    package var code: Int?
}
