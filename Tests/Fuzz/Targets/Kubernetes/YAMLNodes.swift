import Cryptography
import YAML

/// Nodes of texts that the targets themselves write.
enum YAMLNodes {
    static func mapping(_ text: String) throws -> YAMLNode {
        let documents = try YAMLReader.documents(in: SecretBytes(copying: Array(text.utf8)), source: "text")
        guard let first = documents.first else { throw PropertyViolation(description: "no document") }
        return first
    }
}
