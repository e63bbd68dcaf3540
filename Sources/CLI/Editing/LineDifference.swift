import System

/// Compares two texts by lines, in time that is linear in their length: lines that occur once in both split them
/// (patience diff). Short parts between them are compared line by line, and long ones are removed and added as a whole.
struct LineDifference {
    /// True for each removed line of the old text.
    private(set) var removed: [Bool]
    /// True for each added line of the new text.
    private(set) var added: [Bool]

    /// The number of pairs of lines up to which a part is compared line by line.
    private static let maximumPairs = 250_000
    /// The number of times that a part is split.
    private static let maximumSplits = 8

    private struct Part {
        let old: Range<Int>
        let new: Range<Int>
        let splits: Int
    }

    private let old: [Int]
    private let new: [Int]

    init(from old: [ArraySlice<UInt8>], to new: [ArraySlice<UInt8>]) {
        // Equal lines get equal numbers.
        var numbers: [ArraySlice<UInt8>: Int] = [:]
        func number(_ line: ArraySlice<UInt8>) -> Int {
            let next = numbers.count
            let number = numbers[line] ?? next
            if number == next { numbers[line] = next }
            return number
        }
        removed = [Bool](repeating: false, count: old.count)
        added = [Bool](repeating: false, count: new.count)
        self.old = old.map(number)
        self.new = new.map(number)
        var parts = [Part(old: old.indices, new: new.indices, splits: 0)]
        while let part = parts.popLast() { parts += compare(part) }
    }

    /// Compares a part. Returns the parts that it was split into.
    private mutating func compare(_ part: Part) -> [Part] {
        var (old, new) = (part.old, part.new)
        while let left = old.first, let right = new.first, self.old[left] == self.new[right] {
            old = left + 1..<old.upperBound
            new = right + 1..<new.upperBound
        }
        while let left = old.last, let right = new.last, self.old[left] == self.new[right] {
            old = old.lowerBound..<left
            new = new.lowerBound..<right
        }
        guard !old.isEmpty, !new.isEmpty else {
            replace(old, new)
            return []
        }
        let pairs = old.count.multipliedReportingOverflow(by: new.count)
        if !pairs.overflow, pairs.partialValue <= Self.maximumPairs {
            compareLines(old, new)
            return []
        }
        let anchors = part.splits < Self.maximumSplits ? anchors(old, new) : []
        guard !anchors.isEmpty else {
            replace(old, new)
            return []
        }
        var parts: [Part] = []
        var start = (old: old.lowerBound, new: new.lowerBound)
        for anchor in anchors + [(old.upperBound, new.upperBound)] {
            parts.append(
                Part(
                    old: start.old..<anchor.0, new: start.new..<anchor.1, splits: part.splits + 1))
            start = (min(anchor.0 + 1, old.upperBound), min(anchor.1 + 1, new.upperBound))
        }
        return parts
    }

    /// Removes and adds lines as a whole.
    private mutating func replace(_ old: Range<Int>, _ new: Range<Int>) {
        for index in old { removed[index] = true }
        for index in new { added[index] = true }
    }

    /// Returns the longest sequence of lines that occur once in both texts and in the same order.
    private func anchors(_ old: Range<Int>, _ new: Range<Int>) -> [(Int, Int)] {
        func once(_ numbers: [Int], _ range: Range<Int>) -> [Int: Int] {
            var positions: [Int: Int?] = [:]
            for index in range {
                positions[numbers[index]] = .some(positions[numbers[index]] == nil ? index : nil)
            }
            return positions.compactMapValues(\.self)
        }
        let (left, right) = (once(self.old, old), once(self.new, new))
        let pairs = old.compactMap { index -> (Int, Int)? in
            let number = self.old[index]
            return left[number] == index ? right[number].map { (index, $0) } : nil
        }
        // The longest increasing subsequence: for each length, the smallest end.
        var ends: [Int] = []
        var previous: [Int?] = []
        for (index, pair) in pairs.enumerated() {
            let length = ends.partitioningIndex { pairs[$0].1 >= pair.1 }
            previous.append(length > 0 ? ends[length - 1] : nil)
            if length < ends.count { ends[length] = index } else { ends.append(index) }
        }
        var run: [(Int, Int)] = []
        var next = ends.last
        while let index = next {
            run.append(pairs[index])
            next = previous[index]
        }
        return run.reversed()
    }

    /// Compares lines by their longest common subsequence, with dynamic programming.
    private mutating func compareLines(_ old: Range<Int>, _ new: Range<Int>) {
        let width = new.count + 1
        var lengths = [UInt32](repeating: 0, count: (old.count + 1) * width)
        for left in (0..<old.count).reversed() {
            for right in (0..<new.count).reversed() {
                let isSame = self.old[old.lowerBound + left] == self.new[new.lowerBound + right]
                let below = lengths[(left + 1) * width + right]
                let beside = lengths[left * width + right + 1]
                lengths[left * width + right] =
                    isSame ? lengths[(left + 1) * width + right + 1] + 1 : max(below, beside)
            }
        }
        var (left, right) = (0, 0)
        while left < old.count || right < new.count {
            if left < old.count, right < new.count,
                self.old[old.lowerBound + left] == self.new[new.lowerBound + right]
            {
                left += 1
                right += 1
            } else if right == new.count
                || left < old.count
                    && lengths[(left + 1) * width + right] >= lengths[left * width + right + 1]
            {
                removed[old.lowerBound + left] = true
                left += 1
            } else {
                added[new.lowerBound + right] = true
                right += 1
            }
        }
    }
}
