import Envelope

/// One wrapped key to unwrap, and where it belongs. Equal when key id, binding and wrapped key are, byte by
/// byte: Swift calls texts equal that are not.
struct UnwrapRequest: Hashable, Sendable {
    let recipient: Recipient
    let binding: Binding
    private let identity: [UInt8]

    init(_ recipient: Recipient, _ binding: Binding) {
        self.recipient = recipient
        self.binding = binding
        // None of the parts has a NUL but the binding, whose parts are counted.
        identity =
            Array(recipient.keyID.utf8) + [0] + binding.bytes + [0] + Array(recipient.wrappedKey.utf8)
    }

    static func == (left: Self, right: Self) -> Bool { left.identity == right.identity }

    func hash(into hasher: inout Hasher) { hasher.combine(identity) }
}
