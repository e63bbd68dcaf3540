import CLI
import Cryptography
import Envelope

/// `diff --git`: the review of the WrappedSecrets of two commits.
struct GitReview {
    let range: RevisionRange
    let paths: [String]
    let namespace: String?
    let output: DiffFormat
    /// The keys that decrypt both versions, or nil to use none.
    let keys: KeyRing?

    /// Writes the review.
    ///
    /// - Returns: True if a WrappedSecret, a rules file or a recipient file differs, or a file could not be compared.
    func run() async throws -> Bool {
        let (files, problems) = try await GitProgram().changedFiles(in: range, paths: paths)
        let review = await CommitReview(files, problems: problems, namespace: namespace, keys: keys)
        switch output {
        case .text: review.lines.forEach(Console.writeLine)
        case .markdown: try Console.write(SecretBytes(copying: review.markdown.utf8))
        case .json, .yaml: try output.structuredFormat?.write([review.value])
        }
        if output != .markdown { review.problems.forEach(Console.note) }
        return !review.isEmpty
    }
}
