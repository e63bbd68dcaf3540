import Cryptography
import Envelope

/// Renders the templates of one Secret, into secret memory. All of them share the limits, so that neither the size of
/// the Secret nor the time is longer than a Secret's 1 MiB explains.
struct TemplateRenderer: ~Copyable {
    /// The bytes that all references together may read, each filter's input included.
    static let maximumWork = 8 << 20

    private let values: [String: SharedSecret]
    private var remainingOutput: Int
    private var remainingWork = TemplateRenderer.maximumWork

    /// - Parameter entries: the values, which are in the Secret too.
    init(_ entries: [SecretEntry]) {
        values = Dictionary(entries.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        remainingOutput = entries.reduce(SecretLimits.maximumPlaintextBytes) { $0 - $1.value.count }
    }

    mutating func render(_ template: SecretTemplate) throws(TemplateError) -> SharedSecret {
        var output = SecretBuffer()
        for segment in template.segments {
            switch segment {
            case .text(let text):
                try reserve(text.count, at: nil)
                output.append(text)
            case .reference(let reference):
                let value = try value(of: reference)
                try reserve(value.count, at: reference.position)
                output.append(value.bytes)
            }
        }
        return SharedSecret(output.finish())
    }

    private mutating func value(of reference: SecretTemplate.Reference) throws(TemplateError) -> SharedSecret
    {
        guard var value = values[reference.entry] else {
            throw TemplateError(reference.position, "there is no entry \(reference.entry)")
        }
        try spend(value.count, at: reference.position)
        for filter in reference.filters {
            try spend(value.count, at: reference.position)
            do throws(TemplateFilter.Failure) {
                value = SharedSecret(
                    try filter.apply(to: value.bytes, limit: SecretLimits.maximumPlaintextBytes))
            } catch {
                throw Self.failure(error, filter, reference)
            }
        }
        return value
    }

    private mutating func reserve(_ count: Int, at position: TemplatePosition?) throws(TemplateError) {
        guard count <= remainingOutput else { throw Self.tooLarge(position) }
        remainingOutput -= count
    }

    private mutating func spend(_ count: Int, at position: TemplatePosition) throws(TemplateError) {
        guard count <= remainingWork else {
            throw TemplateError(
                position,
                "the templates read more than \(Self.maximumWork) bytes of values, those between filters included: split "
                    + "the Secret",
                isTooLarge: true)
        }
        remainingWork -= count
    }

    private static func tooLarge(_ position: TemplatePosition?) -> TemplateError {
        TemplateError(
            position,
            "renders to more than a Secret holds, which is \(SecretLimits.maximumPlaintextBytes) bytes with its entries: "
                + "split it", isTooLarge: true)
    }

    private static func failure(
        _ failure: TemplateFilter.Failure, _ filter: TemplateFilter, _ reference: SecretTemplate.Reference
    ) -> TemplateError {
        let place = "\(filter.source) of entry \(reference.entry)"
        return switch failure {
        case .notBase64:
            TemplateError(
                reference.position,
                "\(place): the value is not base64 (RFC 4648, padded); wrap a value that is, or remove the filter"
            )
        case .notUTF8:
            TemplateError(
                reference.position, "\(place): the value is not UTF-8 text; use base64 for other values")
        case .tooLong: tooLarge(reference.position)
        }
    }
}
