/// `<<: *defaults`, the merge key of YAML 1.1 (yaml.org/type/merge.html), which kubectl honours.
enum MergeKey {
    static func matches(_ key: YAMLNode) -> Bool {
        guard let scalar = key.scalar, !key.isAlias else { return false }
        let isMergeTag = scalar.tag == "tag:yaml.org,2002:merge"
        return (scalar.style == .plain && scalar.tag == nil || isMergeTag) && scalar.string == "<<"
    }

    /// Pairs of the mapping win over merged ones, earlier sources over later ones. A pair that stands before
    /// the merge key and is in a source too is refused: by the specification it wins, with kubectl it loses.
    static func merge(
        _ value: YAMLNode, at mark: SourceRange, into mapping: inout MappingBuilder, in text: SourceText
    ) throws(YAMLError) {
        for source in value.elements ?? [value] {
            guard let entries = source.entries else {
                throw text.error(
                    .badMerge, at: mark, "<< needs a mapping or a list of mappings, found \(source.typeName)")
            }
            for entry in entries {
                if let line = mapping.earlierLine(of: entry.key) {
                    throw text.error(
                        .badMerge, at: mark,
                        "<< comes after the key of line \(line), which it holds too; "
                            + "parsers disagree which wins: put << first")
                }
                guard !mapping.contains(entry.key) else { continue }
                try mapping.append(
                    YAMLNode.Entry(
                        key: entry.key, keyRange: entry.keyRange, isKeyCoerced: entry.isKeyCoerced,
                        value: entry.value, isMerged: true),
                    in: text)
            }
        }
    }
}
