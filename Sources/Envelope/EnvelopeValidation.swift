import System

/// The rules of the format that every reader and writer checks first. The CRD has the same rules in CEL, which neither the CLI
/// nor an old API server evaluates. All comparisons are on bytes: for Swift's `String`, "é" and "e" + accent are equal, for the
/// API server they are not.
package enum EnvelopeValidation {
    package static let maximumRecipients = 8
    package static let maximumEntries = 1024
    package static let maximumKeyIDLength = 512
    package static let maximumWrappedKeyLength = 8192
    package static let macByteCount = 32
    package static let dataKeyByteCount = 32

    /// Requires a DNS label (RFC 1123): 1 to 63 of a-z 0-9 -, with a letter or digit at both ends.
    package static func check(namespace: String) throws(EnvelopeError) {
        guard isDNSLabel(namespace) else {
            throw .invalid(
                field: "metadata.namespace",
                problem: "\(quoted(namespace)) is not a DNS label (1 to 63 of a-z 0-9 -)")
        }
    }

    /// Requires a DNS subdomain (RFC 1123): labels joined by dots, 253 bytes at most.
    package static func check(secretName: String) throws(EnvelopeError) {
        guard isDNSSubdomain(secretName) else {
            throw .invalid(
                field: "metadata.name",
                problem: "\(quoted(secretName)) is not a Secret's name (1 to 253 of a-z 0-9 - .)")
        }
    }

    package static func check(entry: String) throws(EnvelopeError) {
        let bytes = entry.utf8
        let valid =
            (1...253).contains(bytes.count) && bytes.allSatisfy(isEntryByte)
            && !bytes.elementsEqual(".".utf8) && !bytes.starts(with: "..".utf8)
        guard valid else {
            throw .invalid(
                field: "data",
                problem: "has the entry \(quoted(entry)); names are 1 to 253 of A-Z a-z 0-9 - _ . "
                    + "and do not start with '..'")
        }
    }

    package static func check(entries names: [String]) throws(EnvelopeError) {
        var seen: Set<String> = []
        for name in names {
            try check(entry: name)
            // The name is ASCII: equal strings have equal bytes.
            guard names.count == 1 || seen.insert(name).inserted else {
                throw .invalid(field: "data", problem: "has the entry \(name) twice")
            }
        }
        guard names.count <= maximumEntries else {
            throw .invalid(
                field: "data",
                problem: "has \(names.count) entries; \(maximumEntries) at most are expected")
        }
    }

    package static func check(recipients: [Recipient]) throws(EnvelopeError) {
        guard (1...maximumRecipients).contains(recipients.count) else {
            throw .invalid(
                field: "spec.recipients",
                problem: "has \(recipients.count) items; 1 to \(maximumRecipients) are expected")
        }
        for (index, recipient) in recipients.enumerated() {
            var path: String { "spec.recipients[\(index)]" }
            let keyID = recipient.keyID.utf8
            guard (3...maximumKeyIDLength).contains(keyID.count), keyID.allSatisfy(isPrintable),
                hasScheme(keyID)
            else {
                throw .invalid(
                    field: "\(path).keyID",
                    problem:
                        "is not a key id (<backend>:<key>, printable ASCII, at most \(maximumKeyIDLength) bytes)"
                )
            }
            guard !recipients[..<index].contains(where: { $0.keyID == recipient.keyID }) else {
                throw .invalid(
                    field: "\(path).keyID",
                    problem: "\(quoted(recipient.keyID)) is listed twice; key ids are unique")
            }
            if let algorithm = recipient.algorithm, RecipientAlgorithm(exactly: algorithm) == nil {
                let known = RecipientAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
                throw .invalid(
                    field: "\(path).algorithm",
                    problem:
                        "is \(quoted(algorithm)); \(known) is expected, or no algorithm for the default of the KMS"
                )
            }
            let wrapped = recipient.wrappedKey.utf8
            guard (16...maximumWrappedKeyLength).contains(wrapped.count), wrapped.allSatisfy(isPrintable)
            else {
                throw .invalid(
                    field: "\(path).wrappedKey",
                    problem:
                        "is not a wrapped key (16 to \(maximumWrappedKeyLength) bytes of printable ASCII)")
            }
        }
    }

    /// Returns true for a label of RFC 1123.
    package static func isDNSLabel(_ text: some StringProtocol) -> Bool {
        (1...63).contains(text.utf8.count) && isDNSName(text.utf8, dots: false)
    }

    /// Returns true for labels that are joined by dots. Kubernetes limits only the whole, and not each label.
    package static func isDNSSubdomain(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count) && isDNSName(text.utf8, dots: true)
    }

    private static func isDNSName(_ bytes: some Sequence<UInt8>, dots: Bool) -> Bool {
        let (dash, dot) = (UInt8(ascii: "-"), UInt8(ascii: "."))
        // A label neither begins nor ends with a dash.
        var previous = dot
        for byte in bytes {
            switch byte {
            case dash where previous != dot: break
            case dot where dots && previous != dot && previous != dash: break
            case _ where byte.isASCIILowercase || byte.isASCIIDigit: break
            default: return false
            }
            previous = byte
        }
        return previous != dot && previous != dash
    }

    private static func hasScheme(_ keyID: String.UTF8View) -> Bool {
        guard let colon = keyID.firstIndex(of: UInt8(ascii: ":")), keyID.index(after: colon) < keyID.endIndex
        else {
            return false
        }
        let scheme = keyID[..<colon]
        return scheme.first?.isASCIILowercase == true
            && scheme.allSatisfy { $0.isASCIILowercase || $0.isASCIIDigit || $0 == UInt8(ascii: "-") }
    }

    private static func isEntryByte(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || "-._".utf8.contains(byte)
    }

    private static func isPrintable(_ byte: UInt8) -> Bool { (0x21...0x7E).contains(byte) }

    /// Returns a text for a message: quoted, escaped, and of 80 characters at most.
    package static func quoted(_ text: String) -> String {
        let head = text.unicodeScalars.prefix(80).map { $0.escaped(asASCII: true) }.joined()
        return "\"\(head)\(text.unicodeScalars.count > 80 ? "…" : "")\""
    }
}
