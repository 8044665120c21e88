/// What every metadata route may answer beside what access brings, in its family's shape of errors.
enum MetadataAnswers {
    /// - Parameters:
    ///   - schema: of the answer itself.
    ///   - waiting: what is said of what is not here yet.
    static func all(
        _ schema: Schema, error: Schema, waiting: [(status: Int, words: String)] = plain
    ) -> [DescribedAnswer] {
        [
            .json(200, "What was asked for.", schema, headers: [.cacheStatus]),
            .json(
                202, "With Prefer: respond-async: not known yet, and queued.", queued,
                headers: [.retryAfter, .preferenceApplied, .cacheStatus]),
            DescribedAnswer(304, "The caller has it already (If-None-Match).", headers: [.entityTag, .cacheStatus]),
            .json(400, "A malformed id, parameter or body; or Spotify's own 400.", error),
            .json(403, "Spotify does not give this to this account.", error),
            .json(404, "Spotify does not know it.", error),
        ]
            + waiting.map { status, words in
                .json(status, words, error, headers: status == 429 ? [.retryAfter, .rateLimitReset] : [.retryAfter])
            }
    }

    static let plain = [
        (status: 503, words: "Not known, and not to be had within the caller's patience.")
    ]

    static let mirror = [
        (
            status: 429,
            words: """
            Not known yet, and a matter of waiting: for a turn, the queue, a share of it, a cooldown, the hour. It is gone on with; \
            Retry-After is when it should be here, a minute at most where that is long.
            """
        ),
        (status: 502, words: "Spotify failed, or cannot be reached."),
        (status: 503, words: "No credentials or refused ones, or a limiter or database that cannot be used."),
        (status: 504, words: "Spotify did not answer in time."),
    ]

    /// What every one of them may be asked with.
    static let headers = [preference, condition]

    static let preference = Parameter.header(
        "Prefer", as: "HTTP_PREFER",
        "RFC 7240: `wait=5` waits at most 5 s for a lookup, `respond-async` not at all; what is no preference is ignored.", .text,
        example: "wait=1")
    static let condition = Parameter.header(
        "If-None-Match", as: "HTTP_IF_NONE_MATCH", "The ETag of what the caller has already (RFC 9110, 13.1.2).", .text,
        example: "\"0123456789abcdef\"")

    private static let queued = Schema.object(["status": .constant("queued")])
}
