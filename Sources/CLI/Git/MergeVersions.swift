import Cryptography
import Envelope
import KubeClient
import Resources
import YAML

/// The versions of one WrappedSecret in a merge, and the lines of its envelope in each of them.
struct MergeVersions {
    typealias Regions = (base: EnvelopeRegion?, ours: EnvelopeRegion, theirs: EnvelopeRegion)

    let base: EnvelopeMerger.Version?
    let ours: EnvelopeMerger.Version
    let theirs: EnvelopeMerger.Version

    subscript(side: MergeSide) -> EnvelopeMerger.Version { side == .ours ? ours : theirs }

    /// The regions of all versions, or nil if the layout of one of them has none.
    var regions: Regions? {
        let old = base.flatMap { EnvelopeRegion(of: $0.document, in: $0.file) }
        guard (old == nil) == (base == nil),
            let left = EnvelopeRegion(of: ours.document, in: ours.file),
            let right = EnvelopeRegion(of: theirs.document, in: theirs.file)
        else { return nil }
        return (old, left, right)
    }

    /// Returns the lines of a merged envelope in the layout of one side, and the envelope with its recipients in the order
    /// of that layout.
    ///
    /// - Throws: `InputError` if the layout cannot be edited.
    func write(
        _ fields: EnvelopeFields, _ path: String
    ) throws(InputError) -> (lines: [String: [UInt8]], regions: Regions, fields: EnvelopeFields) {
        guard let regions else {
            throw InputError(
                "recipients, mac and data of spec are not on lines of their own, so they cannot be merged")
        }
        guard
            let side = EnvelopeRegion.layout(
                base: regions.base, ours: regions.ours, theirs: regions.theirs)
        else { throw InputError("comments in recipients or data were changed on both sides") }
        let version = self[side]
        let change = Self.change(from: version.fields.recipients, to: fields.recipients)
        var result = fields
        result.recipients = change.result
        // A file may have thousands of documents.
        guard let (part, index) = version.file.part(with: version.index) else {
            throw InputError(
                "WrappedSecret \(version.document.qualifiedName) has parts outside of its lines, so it cannot be merged in a "
                    + "large file")
        }
        let edited: SharedSecret
        do throws(SourceEditError) {
            var editor = SourceEditor(part.contents)
            try EnvelopeEdit.apply(result, change, to: part.documents[index], with: &editor)
            edited = try editor.verified()
        } catch {
            throw InputError(
                "\(path): WrappedSecret \(version.document.qualifiedName)", "this part \(error.problem)")
        }
        let file = try WrappedSecretFile(path: path, contents: edited, stamp: nil)
        guard file.documents.indices.contains(index),
            let region = EnvelopeRegion(of: file.documents[index], in: file)
        else { throw InputError("the layout of spec cannot be merged") }
        return (region.fields.mapValues(\.text), regions, result)
    }

    /// Returns the change that keeps each recipient at its line. At least one line stays.
    private static func change(from old: [Recipient], to new: [Recipient]) -> RecipientChange {
        var replacements = old.map { new.first($0.keyID) }
        if replacements.allSatisfy({ $0 == nil }), !replacements.isEmpty { replacements[0] = new.first }
        let placed = replacements.compactMap(\.self)
        return RecipientChange(
            old: old, replacements: replacements, added: new.filter { !placed.contains($0.keyID) })
    }
}
