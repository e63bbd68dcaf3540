package import YAML

extension YAMLNode {
    /// Returns the path of the first difference between two nodes in content, order of keys or tags, or nil if they are equal.
    /// What is below one of `paths` may differ. For the proof that an edit did what it should and nothing else.
    package func difference(from other: YAMLNode, outside paths: [[String]]) -> String? {
        difference(from: other, outside: paths, at: [])
    }

    private func difference(from other: YAMLNode, outside paths: [[String]], at path: [String]) -> String? {
        if paths.contains(path) { return nil }
        let here = path.isEmpty ? "the document" : path.joined(separator: ".")
        switch (content, other.content) {
        case (.scalar(let left), .scalar(let right)):
            let isSame =
                left.valueType == right.valueType && left.tag == right.tag && left.text.equals(right.text)
            return isSame ? nil : here
        case (.sequence(let left), .sequence(let right)):
            guard left.count == right.count else { return here }
            for (index, (mine, theirs)) in zip(left, right).enumerated() {
                let found = mine.difference(from: theirs, outside: paths, at: path + ["\(index)"])
                if let found { return found }
            }
            return nil
        case (.mapping(let left), .mapping(let right)):
            let (mine, theirs) = (left.kept(outside: paths, path), right.kept(outside: paths, path))
            guard mine.count == theirs.count else { return here }
            for (left, right) in zip(mine, theirs) {
                guard left.key.utf8.elementsEqual(right.key.utf8) else { return here }
                let found = left.value.difference(
                    from: right.value, outside: paths, at: path + [left.key])
                if let found { return found }
            }
            return nil
        default: return here
        }
    }
}

extension [YAMLNode.Entry] {
    fileprivate func kept(outside paths: [[String]], _ path: [String]) -> [YAMLNode.Entry] {
        filter { !paths.contains(path + [$0.key]) }
    }
}
