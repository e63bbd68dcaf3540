package import Cryptography
import Glibc
package import System

/// CA certificates, gathered from PEM texts, files and folders. As Go's `AppendCertsFromPEM` does, it takes every
/// certificate that can be read and leaves out damaged ones and other blocks; each of those has a line in `warnings`.
/// It is for the caller to refuse an empty pool and to report the warnings (`Warnings.report`).
package struct CertificatePool: Sendable {
    /// Each certificate once.
    package private(set) var count = 0
    /// Which blocks were left out, and why: one line each, at most `maximumWarnings`.
    package private(set) var warnings: [String] = []
    private var known: Set<[UInt8]> = []
    private var text: [UInt8] = []

    package static let maximumWarnings = 16
    package static let maximumFileSize = 8 << 20
    /// Of a folder. Systems have about 300.
    package static let maximumFolderEntries = 4096
    package static let maximumTotalSize = 32 << 20

    package init() {}

    /// All certificates in PEM, without anything else.
    package var pem: [UInt8] { text }

    /// Adds what `text` holds; `source` names it in warnings. Returns how many certificates it holds.
    @discardableResult
    package mutating func add(_ text: borrowing SecretBytes, from source: String) -> Int {
        let entries = PEM.parsedBlocks(in: text)
        let certificates = entries.filter { $0.label == "CERTIFICATE" }.count
        var (position, found) = (0, 0)
        if entries.isEmpty, PEM.looksLikeDER(text) {
            warn(
                "\(source): is DER, and PEM is expected; convert it: openssl x509 -inform DER -in FILE -out CONVERTED-FILE"
            )
        }
        for entry in entries {
            if entry.label.hasSuffix("PRIVATE KEY") {
                warn(
                    "\(source): the \(entry.label) at line \(entry.line) is no CA certificate and is left out; remove it"
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

    /// Adds a file. Returns how many certificates it holds.
    @discardableResult
    package mutating func add(file path: String) throws(FileError) -> Int {
        guard try FileKind(of: path) == .file else {
            // Also of what is not there, with the system's reason.
            guard access(path, R_OK) == 0 else { throw FileError(path: path, reason: lastSystemError()) }
            throw FileError(path: path, reason: "is no file")
        }
        let content = try SecretBytes(contentsOfFile: path, limit: Self.maximumFileSize)
        guard text.count + content.count <= Self.maximumTotalSize else {
            throw FileError(
                path: path, reason: "is more than \(Self.maximumTotalSize) bytes with the other CA files")
        }
        return add(content, from: path)
    }

    /// Adds the files of a folder; those that are no PEM or cannot be read are passed over, as Go does. Returns how many
    /// certificates they hold.
    @discardableResult
    package mutating func add(folder path: String) throws(FileError) -> Int {
        guard let folder = opendir(path) else { throw FileError(path: path, reason: lastSystemError()) }
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

    /// Returns why it is left out; nil: it is in the pool.
    private mutating func add(_ entry: PEM.ParsedBlock) -> String? {
        let block: PEM.Block
        switch entry.block {
        case .failure(.missingEndLine): return "has no end"
        case .failure(.invalidBase64): return "is damaged (its base64 cannot be read)"
        case .success(let whole): block = whole
        }
        guard !block.isEncrypted else { return "is encrypted" }
        guard X509Certificate.isParsable(block.contents) else {
            return "is damaged (it is no X.509 certificate)"
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
