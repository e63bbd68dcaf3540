/// The label that tells the controllers of a split cluster apart.
///
/// Replicas of one controller count the same objects, and controllers of different shards count different ones. Queries
/// take the maximum over replicas and the sum over shards, so the series that count objects and leaders carry the name
/// of the lease, which the replicas of a shard share.
struct LeaseLabel: Sendable {
    let names: [String]
    let values: [String]

    /// - Parameter lease: nil omits the label.
    init(lease: String?) {
        names = lease == nil ? [] : ["lease"]
        values = lease.map { [$0] } ?? []
    }
}
