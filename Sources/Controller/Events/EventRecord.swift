import KubeClient
import System

/// Something to be said about an object. Never a value.
struct EventRecord: Hashable, Sendable {
    enum Kind: String, Sendable {
        case normal = "Normal"
        case warning = "Warning"
    }

    let involvedObject: Subject
    let type: Kind
    /// UpperCamelCase; of a warning, the reason of Ready.
    let reason: String
    let message: String

    struct Subject: Hashable, Sendable {
        let ref: ObjectRef
        let uid: String
    }

    /// The API server takes 1024 bytes.
    static var maximumMessageLength: Int { 1000 }

    init(_ kind: Kind, _ reason: String, _ message: String, about object: ObjectMeta) {
        involvedObject = Subject(ref: object.ref, uid: object.uid ?? "")
        self.type = kind
        self.reason = reason
        self.message = Self.shortened(message.escapingInvisibleCharacters)
    }

    private static func shortened(_ message: String) -> String {
        guard message.utf8.count > maximumMessageLength else { return message }
        var text = message.unicodeScalars.prefix(maximumMessageLength)
        while text.reduce(0, { $0 + UTF8.width($1) }) > maximumMessageLength {
            text = text.dropLast(text.count / 20 + 1)
        }
        return String(text) + "…"
    }
}
