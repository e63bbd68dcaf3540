package import Cryptography
import Glibc
package import System

/// A set of CA certificates from PEM texts, files and folders. Like Go's `AppendCertsFromPEM`, it takes every certificate
/// that can be read and skips damaged ones and other blocks, with a line in `warnings` for each. The caller has to refuse
/// an empty pool and to report the warnings (`Warnings.report`).
package struct CertificatePool: Sendable {
    /// The number of different certificates.
    package private(set) var count = 0
    /// One line for each skipped block with the reason, at most `maximumWarnings`.
    package private(set) var warnings: [String] = []
    private var known: Set<[UInt8]> = []
    private var text: [UInt8] = []

    package static let maximumWarnings = 16
    package static let maximumFileSize = 8 << 20
    /// Systems have about 300 entries in their folder of CAs.
    package static let maximumFolderEntries = 4096
    package static let maximumTotalSize = 32 << 20

    package init() {}

    /// All certificates as PEM, without any other text.
    package var pem: [UInt8] { text }

    /// Adds the certificates in a PEM text.
    ///
    /// - Parameter source: the name of the text in warnings.
    /// - Returns: the number of readable certificates in the text.
    @discardableResult
    package mutating func add(_ text: borrowing SecretBytes, from source: String) -> Int {
        let entries = PEM.parsedBlocks(in: text)
        let certificates = entries.filter { $0.label == "CERTIFICATE" }.count
        var (position, found) = (0, 0)
        if entries.isEmpty, PEM.looksLikeDER(text) {
            warn(
                "\(source): is DER, but PEM is expected; convert it: openssl x509 -inform DER -in FILE -out CONVERTED-FILE"
            )
        }
        for entry in entries {
            if entry.label.hasSuffix("PRIVATE KEY") {
                warn(
                    "\(source): the \(entry.label) at line \(entry.line) is not a CA certificate and is left out; remove it"
                )
            }
            if entry.label == "TRUSTED CERTIFICATE" {
                warn(
                    "\(source): the TRUSTED CERTIFICATE at line \(entry.line) is left out; convert it: "
                        + "openssl x509 -in FILE -out CONVERTED-FILE")
            }
            guard entry.label == "CERTIFICATE" else { continue }
            position += 1
            guard let problem = add(entry) else {
                found += 1
                continue
            }
            warn(
                "\(source): certificate \(position) of \(certificates) (line \(entry.line)) \(problem) and is left out; "
                    + "replace it")
        }
        return found
    }

    /// Adds the certificates of a PEM file.
    ///
    /// - Returns: the number of readable certificates in the file.
    @discardableResult
    package mutating func add(file path: String) throws(FileError) -> Int {
        guard try FileKind(of: path) == .file else {
            // For a missing file this gives the system's reason.
            guard access(path, R_OK) == 0 else { throw .lastSystemError(path) }
            throw FileError(path: path, reason: "is not a file")
        }
        let content = try SecretBytes(contentsOfFile: path, limit: Self.maximumFileSize)
        guard text.count + content.count <= Self.maximumTotalSize else {
            throw FileError(
                path: path, reason: "is more than \(Self.maximumTotalSize) bytes with the other CA files")
        }
        return add(content, from: path)
    }

    /// Adds the certificates of the files in a folder. As in Go, files that cannot be read or are not PEM are skipped.
    ///
    /// - Returns: the number of readable certificates in the files.
    @discardableResult
    package mutating func add(folder path: String) throws(FileError) -> Int {
        guard let folder = opendir(path) else { throw .lastSystemError(path) }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
            guard names.count <= Self.maximumFolderEntries else {
                throw FileError(path: path, reason: "has more than \(Self.maximumFolderEntries) entries")
            }
        }
        var found = 0
        for name in names.sorted() {
            let file = "\(path)/\(name)"
            guard (try? FileKind(of: file)) == .file else { continue }
            guard text.count <= Self.maximumTotalSize else {
                throw FileError(
                    path: path, reason: "has more than \(Self.maximumTotalSize) bytes of certificates")
            }
            found += (try? add(file: file)) ?? 0
        }
        return found
    }

    /// Adds one block. Returns the problem if it was skipped.
    private mutating func add(_ entry: PEM.ParsedBlock) -> String? {
        let block: PEM.Block
        switch entry.block {
        case .failure(.missingEndLine): return "has no end"
        case .failure(.invalidBase64): return "is damaged (its base64 cannot be read)"
        case .success(let whole): block = whole
        }
        guard !block.isEncrypted else { return "is encrypted" }
        guard X509Certificate.isParsable(block.contents) else {
            return "is damaged (it is not an X.509 certificate)"
        }
        let digest = block.contents.bytes.withUnsafeBytes { try? sha256($0) }
        guard let digest, known.insert(digest).inserted else { return nil }
        var buffer = SecretBuffer(capacity: Base64.encodedCount(block.contents.count) + 256)
        PEM.append(block.contents.bytes, label: "CERTIFICATE", to: &buffer)
        buffer.withUnsafeBytes { text.append(contentsOf: $0) }
        count += 1
        return nil
    }

    private mutating func warn(_ message: String) {
        if warnings.count < Self.maximumWarnings { warnings.append(message.escapingInvisibleCharacters) }
    }
}
