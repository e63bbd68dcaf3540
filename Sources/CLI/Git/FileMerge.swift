package import Cryptography
package import Envelope
import KubeClient
import Resources
import YAML

/// Merges two versions of a file with WrappedSecrets that have a common ancestor, for git.
///
/// The envelopes are merged by entry. The rest of the text is merged by git, line by line: for that, one line takes the
/// place of the lines of an envelope. No text that this type returns contains a value.
package struct FileMerge {
    /// The result of merging three texts by lines.
    package struct MergedLines {
        let text: SharedSecret
        /// The number of conflicts, which are between markers in the text.
        let conflictCount: Int

        package init(text: SharedSecret, conflictCount: Int) {
            self.text = text
            self.conflictCount = conflictCount
        }
    }

    package struct Output {
        package let text: SharedSecret
        /// The conflicts, one line each, without values. The text has conflict markers if there are any.
        package let conflicts: [String]
        package let notes: [String]
    }

    /// Merges three texts by lines: the ancestor, ours and theirs.
    package typealias LineMerge = (SharedSecret, SharedSecret, SharedSecret) async throws(InputError) ->
        MergedLines

    private let path: String
    private let namespace: String?
    private let markers: ConflictMarkers
    private let mergeLines: LineMerge
    private var envelopes: EnvelopeMerger
    private var conflicts: [String] = []
    private var notes: [String] = []
    /// True if no text that is merged by lines can show the conflicts.
    private var needsWholeFileConflict = false
    private var placeholders = EnvelopePlaceholders()

    /// An envelope and the binding that the merged file must have for a WrappedSecret.
    private struct ExpectedEnvelope: Hashable {
        let fields: EnvelopeFields
        let binding: [String]

        func hash(into hasher: inout Hasher) {
            hasher.combine(fields.mac)
            hasher.combine(fields.recipients)
            hasher.combine(fields.data)
            hasher.combine(binding)
        }
    }

    /// - Parameters:
    ///   - path: The path of the file in messages.
    ///   - keys: Is called when a key is needed for the first time.
    package init(
        path: String, namespace: String?, markerSize: Int,
        keys: @escaping () throws(InputError) -> KeyRing, mergeLines: @escaping LineMerge
    ) {
        self.path = path
        self.namespace = namespace
        markers = ConflictMarkers(size: markerSize)
        self.mergeLines = mergeLines
        envelopes = EnvelopeMerger(keys: keys, namespace: namespace)
    }

    /// - Throws: `InputError` if the lines cannot be merged.
    package mutating func merge(
        base: SharedSecret, ours: SharedSecret, theirs: SharedSecret
    ) async throws(InputError) -> Output {
        // Without the ancestor, a removal on one side cannot be told from an addition on the other.
        guard let old = try? WrappedSecretFile(path: path, contents: base, stamp: nil),
            let left = try? WrappedSecretFile(path: path, contents: ours, stamp: nil),
            let right = try? WrappedSecretFile(path: path, contents: theirs, stamp: nil)
        else { return try await mergeUnparsable(base, ours, theirs) }
        var expected: [String: ExpectedEnvelope] = [:]
        let (oldIndices, rightIndices) = (Self.indices(old), Self.indices(right))
        for (name, index) in Self.indices(left).sorted(by: { $0.value < $1.value }) {
            guard let rightIndex = rightIndices[name] else { continue }
            let versions = MergeVersions(
                base: oldIndices[name].map { EnvelopeMerger.Version(file: old, index: $0) },
                ours: EnvelopeMerger.Version(file: left, index: index),
                theirs: EnvelopeMerger.Version(file: right, index: rightIndex))
            let label = left.documents.count > 1 ? "WrappedSecret \(name): " : ""
            expected[name] = await merge(versions, label)
        }
        let merged = try await mergeLines(
            placeholders.apply(to: 0, base), placeholders.apply(to: 1, ours),
            placeholders.apply(to: 2, theirs))
        let text = placeholders.resolve(merged.text.bytes.withUnsafeBytes { Array($0) }, markers)
        if text == nil { needsWholeFileConflict = true }
        if merged.conflictCount > 0 {
            if !needsWholeFileConflict {
                conflicts.append("the text outside of the encrypted values was changed on both sides")
            }
        } else if conflicts.isEmpty {
            conflicts += mismatches(SharedSecret(copying: text ?? []), expected, left, right)
            needsWholeFileConflict = !conflicts.isEmpty
        }
        return output(text ?? [], ours, theirs)
    }

    private func output(_ text: [UInt8], _ ours: SharedSecret, _ theirs: SharedSecret) -> Output {
        var text = text
        if needsWholeFileConflict {
            text = ours.bytes.withUnsafeBytes { ours in
                theirs.bytes.withUnsafeBytes { theirs in markers.conflict(Array(ours), Array(theirs)) }
            }
        }
        return Output(
            text: SharedSecret(copying: text), conflicts: conflicts, notes: conflicts.isEmpty ? notes : [])
    }

    /// Merges files of which one is neither YAML nor JSON, such as a template, as git does without a driver.
    private mutating func mergeUnparsable(
        _ base: SharedSecret, _ ours: SharedSecret, _ theirs: SharedSecret
    ) async throws(InputError) -> Output {
        let merged = try await mergeLines(base, ours, theirs)
        if merged.conflictCount > 0 {
            conflicts = [
                "the file was changed on both sides, and one of them or their common ancestor cannot be read"
            ]
        } else if ManifestFile.declaresKind(WrappedSecret.resource.kind, in: merged.text) {
            notes = [
                "one side or the common ancestor cannot be read, so the file was merged by lines; check its values"
            ]
        }
        return Output(text: merged.text, conflicts: conflicts, notes: notes)
    }

    /// Returns the indices of the WrappedSecrets whose names occur once.
    private static func indices(_ file: WrappedSecretFile?) -> [String: Int] {
        guard let file else { return [:] }
        let names = file.documents.map(\.qualifiedName)
        let counts = Dictionary(names.map { ($0, 1) }, uniquingKeysWith: +)
        return Dictionary(
            names.enumerated().filter { counts[$0.element] == 1 }.map { ($0.element, $0.offset) },
            uniquingKeysWith: { first, _ in first })
    }

    /// Merges the envelopes of one WrappedSecret, and records the text of the result.
    private mutating func merge(_ versions: MergeVersions, _ label: String) async -> ExpectedEnvelope? {
        let outcome = await envelopes.merge(
            base: versions.base, ours: versions.ours, theirs: versions.theirs)
        let ours = versions.ours.document
        switch outcome {
        case .unchanged: return ExpectedEnvelope(fields: versions.ours.fields, binding: ours.bindingParts)
        case .take(let side):
            // Without a region of its own, the text is merged by lines, of which one side changed none.
            if let regions = versions.regions,
                let layout = EnvelopeRegion.layout(
                    base: regions.base, ours: regions.ours, theirs: regions.theirs),
                layout == side || regions.ours.comments == regions.theirs.comments
            {
                let fields = side == .ours ? regions.ours.fields : regions.theirs.fields
                placeholders.add(fields.mapValues(\.text), for: regions)
            }
            return ExpectedEnvelope(
                fields: versions[side].fields, binding: versions[side].document.bindingParts)
        case .combined(let fields):
            do throws(InputError) {
                let (lines, regions, result) = try versions.write(fields, path)
                placeholders.add(lines, for: regions)
                notes.append("\(label)the edits of both sides were merged by entry")
                return ExpectedEnvelope(fields: result, binding: ours.bindingParts)
            } catch {
                reject([error.description], label, versions)
            }
        case .conflict(let reasons): reject(reasons, label, versions)
        }
        return nil
    }

    /// Records a conflict. Both envelopes are placed between markers as a whole, so that each side is valid.
    private mutating func reject(_ reasons: [String], _ label: String, _ versions: MergeVersions) {
        conflicts += reasons.map { label + $0 }
        guard let regions = versions.regions, placeholders.addConflict(for: regions, markers) else {
            needsWholeFileConflict = true
            return
        }
    }

    /// Returns a conflict if a WrappedSecret of the merged text has an envelope that neither side has and that is not the
    /// merged one. Lines that merge cleanly can mix the envelopes of both sides.
    private func mismatches(
        _ text: SharedSecret, _ expected: [String: ExpectedEnvelope],
        _ ours: WrappedSecretFile, _ theirs: WrappedSecretFile
    ) -> [String] {
        let file: WrappedSecretFile
        do throws(InputError) {
            file = try WrappedSecretFile(path: path, contents: text, stamp: nil)
        } catch {
            return ["the edits of both sides do not fit together: \(error.description)"]
        }
        let known = Set(
            (ours.documents + theirs.documents).map {
                ExpectedEnvelope(fields: $0.object.spec.envelope, binding: $0.bindingParts)
            })
        let mixed = file.documents.filter { document in
            let found = ExpectedEnvelope(
                fields: document.object.spec.envelope, binding: document.bindingParts)
            return expected[document.qualifiedName].map { $0 != found } ?? !known.contains(found)
        }.map { "WrappedSecret \($0.qualifiedName): its merged text mixes the encrypted parts of both sides" }
        return mixed.isEmpty ? invalidTexts(file, ours, theirs) : mixed
    }

    /// Returns a conflict for each WrappedSecret that the merge made invalid: one side may have removed an entry, and the
    /// other added a template that refers to it.
    private func invalidTexts(
        _ file: WrappedSecretFile, _ ours: WrappedSecretFile, _ theirs: WrappedSecretFile
    ) -> [String] {
        func problem(_ document: WrappedSecretDocument) -> String? {
            guard let object = try? document.object(namespace: namespace) else { return nil }
            do throws(SpecError) {
                _ = try DesiredSecret(object)
                return nil
            } catch {
                return error.description
            }
        }
        // A WrappedSecret that one side had broken already is no conflict.
        let known = Set(
            (ours.documents + theirs.documents).compactMap { document in
                problem(document).map { [document.qualifiedName, $0] }
            })
        return file.documents.compactMap { document in
            problem(document).flatMap { problem in
                known.contains([document.qualifiedName, problem])
                    ? nil
                    : "WrappedSecret \(document.qualifiedName): the edits of both sides do not fit together: \(problem)"
            }
        }
    }
}
