/// A family of routes: what stands below one prefix of the router.
struct DescribedFamily: Sendable {
    /// As the router has it, with a slash at the end.
    var prefix: String
    var tag: String
    var about: String
    var paths: [DescribedPath]
    /// Components that the paths refer to.
    var schemas: KeyValuePairs<String, Schema>
}
