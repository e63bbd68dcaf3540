/// `1 row`, `2 rows`.
package func pluralized(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
