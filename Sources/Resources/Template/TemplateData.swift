import Cryptography
package import Envelope
import System

/// The templates of `spec.template.data`, whose results are further keys of the Secret beside the entries.
package struct TemplateData: Sendable {
    /// The CRD has the same limit.
    package static let maximumTemplates = 64
    /// The references of all templates, and the texts between them. They are in memory while an object is open.
    static let maximumParts = 8192

    private let templates: [(key: String, template: SecretTemplate)]
    /// SHA-256 of the keys and texts in hexadecimal, or nil if there are no templates.
    package let hash: String?
    /// The bytes of all texts.
    private let byteCount: Int

    /// Parses the templates, and checks that they name existing entries.
    ///
    /// - Parameter entries: the names of the entries.
    /// - Throws: `SpecError` with the key, line and column of the first mistake.
    package init(_ texts: [String: String]?, entries: [String]) throws(SpecError) {
        let texts = (texts ?? [:]).sorted { Self.precedes($0.key, $1.key) }
        guard texts.count <= Self.maximumTemplates else {
            throw SpecError(
                .invalidSpec,
                "spec.template.data has \(texts.count) items; \(Self.maximumTemplates) at most are expected")
        }
        var templates: [(key: String, template: SecretTemplate)] = []
        var parts = 0
        for (key, text) in texts {
            guard (try? EnvelopeValidation.check(entry: key)) != nil else {
                throw SpecError(
                    .invalidSpec,
                    "spec.template.data: \(EnvelopeValidation.quoted(key)) is not a key of a Secret (1 to 253 of A-Z a-z "
                        + "0-9 - _ ., not starting with '..')")
            }
            do throws(TemplateError) {
                let template = try SecretTemplate(text)
                parts += template.segments.count
                templates.append((key, template))
            } catch {
                throw SpecError(error, in: key)
            }
            guard parts <= Self.maximumParts else {
                throw SpecError(
                    .invalidSpec,
                    "spec.template.data has more than \(Self.maximumParts) references and texts between them; split it, or "
                        + "keep the whole file as one entry")
            }
        }
        self.templates = templates
        byteCount = texts.reduce(0) { $0 + $1.value.utf8.count }
        hash = texts.isEmpty ? nil : try Self.hash(texts)
        try check(entries: entries)
    }

    package var isEmpty: Bool { templates.isEmpty }

    /// The keys of the Secret that the templates render, in byte order.
    package var keys: [String] { templates.map(\.key) }

    /// Checks that each reference names an entry, and that no key is that of an entry.
    package func check(entries names: some Sequence<String>) throws(SpecError) {
        guard !templates.isEmpty else { return }
        let names = Set(names)
        for (key, template) in templates {
            guard !names.contains(key) else {
                throw SpecError(
                    .invalidSpec,
                    "spec.template.data[\(key)] has the name of an entry, which a template cannot replace; rename one"
                )
            }
            for reference in template.references where !names.contains(reference.entry) {
                throw SpecError(
                    TemplateError(
                        reference.position,
                        "there is no entry \(reference.entry); "
                            + (names.isEmpty
                                ? "spec.data is empty" : "spec.data has \(names.sorted().listed())")), in: key
                )
            }
        }
    }

    /// Returns the entries and the rendered keys, in byte order of their names.
    ///
    /// - Throws: `SpecError` with `invalidSpec` if a filter does not apply to a value, or with `tooLarge`.
    package func rendered(with entries: [SecretEntry]) throws(SpecError) -> [SecretEntry] {
        guard !templates.isEmpty else { return entries }
        var renderer = TemplateRenderer(entries)
        var result = entries
        for (key, template) in templates {
            do throws(TemplateError) {
                result.append(SecretEntry(name: key, value: try renderer.render(template)))
            } catch {
                throw SpecError(error, in: key)
            }
        }
        return result.sorted { Self.precedes($0.name, $1.name) }
    }

    /// Returns the bytes that the rendered values have at most, for entries of this size. Both together are at most what a
    /// Secret holds.
    package func maximumRenderedBytes(plaintextByteCount: Int) -> Int {
        let sizes = references.map { Self.sizes(of: $0, plaintextByteCount).last ?? plaintextByteCount }
        let total = sizes.reduce(byteCount) { min($0 + $1, SecretLimits.maximumPlaintextBytes) }
        return min(total, max(0, SecretLimits.maximumPlaintextBytes - plaintextByteCount))
    }

    /// Returns the bytes that the result of one filter has at most, for entries of this size. A filter's value and its result
    /// exist at the same time.
    package func maximumFilteredBytes(plaintextByteCount: Int) -> Int {
        references.lazy.flatMap { Self.sizes(of: $0, plaintextByteCount) }.max() ?? 0
    }

    private var references: [SecretTemplate.Reference] { templates.flatMap(\.template.references) }

    /// Returns the bytes that the result of each filter has at most.
    private static func sizes(of reference: SecretTemplate.Reference, _ plaintextByteCount: Int) -> [Int] {
        var size = plaintextByteCount
        return reference.filters.map { filter in
            let factor =
                switch filter {
                case .base64: 2
                case .base64decode: 1
                case .json, .quote: 6
                case .indent(let count): count + 1
                }
            size = min((size + 64) * factor, SecretLimits.maximumPlaintextBytes)
            return size
        }
    }

    private static func precedes(_ first: String, _ second: String) -> Bool {
        first.utf8.lexicographicallyPrecedes(second.utf8)
    }

    /// A length precedes each text, so that different templates have different bytes.
    private static func hash(_ texts: [(key: String, value: String)]) throws(SpecError) -> String {
        var bytes: [UInt8] = []
        for part in texts.flatMap({ [$0.key, $0.value] }) {
            bytes += Array("\(part.utf8.count):\(part)".utf8)
        }
        do {
            return hex(try sha256(bytes))
        } catch {
            throw SpecError(.crypto(error))
        }
    }
}

extension SpecError {
    /// - Parameter key: the key of `spec.template.data`.
    fileprivate init(_ error: TemplateError, in key: String) {
        self.init(error.isTooLarge ? .tooLarge : .invalidSpec, "spec.template.data[\(key)] \(error)")
    }
}
