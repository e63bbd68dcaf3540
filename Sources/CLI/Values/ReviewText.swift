package import Cryptography
import YAML

/// A file as a person reviews it: its own text, every byte of it, but for the ciphertexts of its WrappedSecrets (wrapped
/// keys, MACs, values), which are hashes of what stands there. Two files with the same such text are the same.
package struct ReviewText: Sendable {
    package let bytes: SharedSecret
    /// nil: it cannot be understood, as while a merge is going on, and its text is as it is.
    package let file: WrappedSecretFile?

    /// Errors: it cannot be read.
    package init(reading path: String) throws(InputError) {
        self.init(path: path, try ManifestFile.rawContents(of: path))
    }

    init(path: String, _ contents: SharedSecret) {
        file = try? WrappedSecretFile(path: path, contents: contents, stamp: nil)
        guard let file, !file.documents.isEmpty else {
            bytes = contents
            return
        }
        var editor = SourceEditor(contents)
        var seen: Set<Int> = []
        for node in file.documents.flatMap({ Self.ciphertexts(of: $0.node) })
        where seen.insert(node.range.start).inserted {
            guard let hash = Self.hash(contents, node.range.start..<node.range.end) else { continue }
            // What cannot be edited in its place, as an alias, stays as it is.
            try? editor.replace(node, with: hash)
        }
        bytes = SharedSecret(editor.unverified())
    }

    private static func ciphertexts(of document: YAMLNode) -> [YAMLNode] {
        guard let spec = document["spec"] else { return [] }
        let keys = spec["recipients"]?.elements?.compactMap { $0["wrappedKey"] } ?? []
        return keys + [spec["mac"]].compactMap(\.self) + (spec["data"]?.entries?.map(\.value) ?? [])
    }

    /// 128 bits: nobody finds two ciphertexts that look the same.
    private static func hash(_ contents: SharedSecret, _ range: Range<Int>) -> String? {
        contents.bytes.withUnsafeBytes { bytes in
            guard bytes.indices.contains(range.lowerBound), range.upperBound <= bytes.count,
                let digest = try? sha256(UnsafeRawBufferPointer(rebasing: bytes[range]))
            else { return nil }
            return "sha256:\(hex(digest.prefix(16)))"
        }
    }
}
