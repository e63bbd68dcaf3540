extension RandomAccessCollection {
    /// Returns the index of the first element that satisfies `belongsInSecondPartition`, or `endIndex` if none does: a binary
    /// search, as in Swift Algorithms.
    ///
    /// - Parameter belongsInSecondPartition: False for the elements before some index, and true for all others.
    @inlinable
    package func partitioningIndex(where belongsInSecondPartition: (Element) -> Bool) -> Index {
        var (start, count) = (startIndex, count)
        while count > 0 {
            let half = count / 2
            let middle = index(start, offsetBy: half)
            if belongsInSecondPartition(self[middle]) {
                count = half
            } else {
                start = index(after: middle)
                count -= half + 1
            }
        }
        return start
    }
}
