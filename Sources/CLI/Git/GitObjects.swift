package import Cryptography

/// A file that differs between two trees, as `git diff-tree --raw -z` lists it.
package struct GitFileChange: Sendable, Equatable {
    package let path: String
    /// The object id of the file's content, or nil if there is no regular file at the path.
    package let old: String?
    package let new: String?

    /// Parses the output of `git diff-tree -r -z --raw --no-renames`. Submodules and symbolic links count as missing.
    ///
    /// - Throws: `InputError` if it is not such output.
    package static func parse(_ output: borrowing SecretBytes) throws(InputError) -> [GitFileChange] {
        var fields = output.withUnsafeBytes { bytes in
            bytes.split(separator: 0, omittingEmptySubsequences: false).map {
                String(decoding: $0, as: UTF8.self)
            }
        }[...]
        var changes: [GitFileChange] = []
        while let header = fields.popFirst(), !header.isEmpty {
            let words = header.split(separator: " ")
            guard header.hasPrefix(":"), words.count == 5, let path = fields.popFirst(), !path.isEmpty else {
                throw unreadable
            }
            func object(_ mode: Substring, _ id: Substring) throws(InputError) -> String? {
                guard ["100644", "100755", "100664"].contains(mode) else { return nil }
                guard GitObjectID.isValid(id) else { throw unreadable }
                return String(id)
            }
            changes.append(
                GitFileChange(
                    path: path, old: try object(words[0].dropFirst(), words[2]),
                    new: try object(words[1], words[3])))
        }
        return changes
    }

    /// True if the name is that of a manifest.
    package var isManifest: Bool { [".yaml", ".yml", ".json"].contains { path.lowercased().hasSuffix($0) } }

    private static var unreadable: InputError {
        InputError("git diff-tree returned a list that cannot be read; update git")
    }
}

package enum GitObjectID {
    package static func isValid(_ text: some StringProtocol) -> Bool {
        [40, 64].contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (97...102).contains($0)
            }
    }
}

/// Parses what `git cat-file` prints for a list of objects.
package enum GitObjects {
    /// Parses the output of `--batch-check`: the sizes by object id. Missing objects are left out.
    package static func sizes(_ output: borrowing SecretBytes) -> [String: Int] {
        let text = output.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        var sizes: [String: Int] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[1] == "blob", let size = Int(words[2]), size >= 0 else { continue }
            sizes[String(words[0])] = size
        }
        return sizes
    }

    /// Parses the output of `--batch`: the contents by object id.
    ///
    /// - Throws: `InputError` if it is not such output.
    package static func contents(
        _ output: borrowing SecretBytes
    ) throws(InputError) -> [String: SharedSecret] {
        try output.withUnsafeBytes { bytes throws(InputError) in
            var contents: [String: SharedSecret] = [:]
            var rest = bytes[...]
            while let lineEnd = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let words = String(decoding: rest[..<lineEnd], as: UTF8.self).split(separator: " ")
                rest = rest[(lineEnd + 1)...]
                if words.count == 2 { continue }
                guard words.count == 3, let size = Int(words[2]), size >= 0, size < rest.count else {
                    throw InputError("git cat-file returned objects that cannot be read; update git")
                }
                let object = UnsafeRawBufferPointer(rebasing: rest.prefix(size))
                contents[String(words[0])] = SharedSecret(SecretBytes(copying: object))
                // A line feed follows the object.
                rest = rest.dropFirst(size + 1)
            }
            return contents
        }
    }
}
