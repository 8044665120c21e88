import FastCGI
import RateLimiting

/// `/swingmusic-fcgi/status`: the report as one page that loads nothing from elsewhere.
struct StatusPage {
    let report: StatusReport

    static let contentType = "text/html; charset=utf-8"

    /// The page's one style and one script are named by their hashes (CSP Level 3, 2.3.1); the script may only ask for the page anew.
    static let policy =
        "default-src 'none'; img-src data:; style-src '\(style.hash)'; script-src '\(script.hash)'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    var html: Markup {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>swingmusic-fcgi</title>
        <link rel="icon" href="data:,">
        <style>\(Self.style)</style>
        </head>
        <body>
        <main>
        <header><h1>swingmusic-fcgi</h1>\(badge)<p class="quiet">version \(report.version), \(Readable.instant(report.now))</p></header>
        \(complaints)
        <div class="grid">
        \(Markup([requests, hits, spotify, queue, workers, files, records, lines]))
        </div>
        </main>
        <script>\(Self.script)</script>
        </body>
        </html>

        """
    }

    private var badge: Markup {
        let name = !report.readiness.isReady ? "bad" : report.readiness.complaints.isEmpty ? "good" : "fair"
        return "<p class=\"badge \(name)\">\(report.readiness.headline)</p>"
    }

    private var complaints: Markup {
        let lines = report.readiness.complaints.map { complaint in
            "<li class=\"\(complaint.trouble.keepsFromServing ? "bad" : "fair")\"><b>\(complaint.trouble.rawValue)</b>: \(complaint.text)</li>"
                as Markup
        }
        return lines.isEmpty ? "" : "<ul class=\"complaints\">\(Markup(lines))</ul>"
    }

    private func card(_ title: String, _ content: Markup, isWide: Bool = false) -> Markup {
        "<section class=\"card\(isWide ? " wide" : "")\"><h2>\(title)</h2>\(content)</section>\n"
    }

    /// - Parameter rows: cells; the first names the row.
    private func table(_ heads: [String], _ rows: [[String]]) -> Markup {
        let head = Markup(heads.map { "<th scope=\"col\">\($0)</th>" })
        let body = Markup(
            rows.map { row in
                "<tr><th scope=\"row\">\(row.first ?? "")</th>\(Markup(row.dropFirst().map { "<td>\($0)</td>" }))</tr>"
            })
        return "<table>\(heads.isEmpty ? "" : "<thead><tr>\(head)</tr></thead>" as Markup)<tbody>\(body)</tbody></table>"
    }

    private var requests: Markup {
        let last = report.answersByMinute.dropLast().last ?? 0
        return card(
            "Requests, the last hour",
            """
            <p class="big">\(Readable.rate(Double(last) / 60))<small> a second, the last whole minute</small></p>
            \(HourPicture(answersByMinute: report.answersByMinute).svg)
            <p class="quiet">\(Readable.count(report.counts.answered)) answered in all, \(Readable.count(report.counts.failed)) with 5xx; \
            \(Readable.count(UInt64(report.parked))) parked now</p>
            """, isWide: true)
    }

    private var hits: Markup {
        let rows = Counter.Source.allCases.map { source in
            """
            <tr><th scope="row">\(source.words)</th>\
            <td class="meter">\(Self.meter(report.share(source) ?? 0, source.isHit ? "good" : "fair"))</td>\
            <td>\(Readable.percent(report.share(source)))</td><td>\(Readable.count(report.counts[source]))</td></tr>
            """ as Markup
        }
        return card(
            "Hits by tier",
            """
            <p class="big">\(Readable.percent(report.hitRatio))<small> hits</small></p>
            <table><tbody>\(Markup(rows))</tbody></table>
            <p class="quiet">\(Readable.count(report.counts.stale)) hits were stale</p>
            """)
    }

    /// A bar from 0 to 1.
    private static func meter(_ share: Double, _ name: String) -> Markup {
        let width = Int((min(max(share, 0), 1) * 100).rounded())
        return """
            <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">\
            <rect class="track" width="100" height="8"/><rect class="\(name)" width="\(width)" height="8"/></svg>
            """
    }

    private var spotify: Markup {
        guard let limiter = report.limiter else {
            return card(
                "Calls to Spotify", "<p class=\"bad\">The limiter cannot be used; nothing is looked up. \(report.limiterFault ?? "")</p>")
        }
        let share = Double(limiter.callsInWindow) / Double(max(1, limiter.callsPerWindow))
        let rows =
            [["next free slot", Readable.wait(report.seconds(until: limiter.nextSlotAt))]]
            + (limiter.cooldown == nil ? [["cooldown", "none"]] : [])
        return card(
            "Calls to Spotify",
            """
            <p class="big">\(Readable.count(UInt64(max(0, limiter.callsInWindow))))<small> of \(Readable.count(UInt64(max(0, limiter.callsPerWindow)))) in the last hour</small></p>
            \(Self.meter(share, share < 0.8 ? "good" : share < 1 ? "fair" : "bad"))
            \(troubles(of: limiter))
            \(table([], rows))
            """)
    }

    /// Why no call is made just now.
    private func troubles(of limiter: RateLimiterStatus) -> Markup {
        func line(_ title: String, _ reason: String, _ end: Int64) -> Markup {
            "<p class=\"bad\"><b>\(title)</b>, ends \(Readable.wait(report.seconds(until: end))): \(reason)</p>"
        }
        let lines = [
            limiter.cooldown.map { line("Cooldown", $0.reason, $0.endsAt) },
            limiter.upstream.map { line("No calls", $0.reason, $0.endsAt) },
            limiter.tokenOutage.map { line("No token", $0.reason, $0.endsAt) },
            limiter.accountRefusal.map { line("Account refused", $0.reason, $0.endsAt) },
        ]
        return Markup(lines.compactMap { $0 })
    }

    private var queue: Markup {
        let waiting = report.limiter?.waiting ?? [:]
        let rows = Priority.allCases.map { [$0.words, "\(waiting[$0] ?? 0)"] }
        return card(
            "Queue",
            """
            <p class="big">\(waiting.values.reduce(0, +))<small> lookups wait, \(report.limiter?.leased ?? 0) under way</small></p>
            \(table([], rows))
            """)
    }

    private var workers: Markup {
        card(
            "Workers",
            table(
                ["process", "up", "memory", "parked"],
                report.workers.map {
                    ["\($0.process)", Readable.length($0.uptimeSeconds), Readable.bytes($0.residentBytes), "\($0.parked)"]
                }))
    }

    private var files: Markup {
        let store = report.caches.store
        // Why not stands at the top of the page.
        let word = store == nil ? "none" : store?.isUsed == true ? "used" : "not used"
        return card("Store and journals", table([], [["DragonflyDB", word]] + report.files.map { [$0.name, Readable.bytes($0.bytes)] }))
    }

    private var records: Markup {
        let kinds = report.kinds.map { [$0.kind, Readable.count(UInt64(max(0, $0.entries))), Readable.bytes($0.bytes)] }
        let ages = report.ages.map { [$0.label, Readable.count(UInt64(max(0, $0.records)))] }
        return card(
            "Records",
            """
            \(kinds.isEmpty ? "<p class=\"quiet\">None yet.</p>" : table(["kind", "records", "size"], kinds))
            \(table(["age", "records"], ages))
            """)
    }

    private var lines: Markup {
        guard !report.lines.isEmpty else { return card("Latest warnings and errors", "<p class=\"quiet\">None.</p>", isWide: true) }
        let items = report.lines.map { line in
            "<li><span class=\"\(line.level == "error" ? "bad" : "fair")\">\(line.level)</span> <time>\(Readable.instant(line.time))</time> <span class=\"quiet\">[\(line.process)]</span> \(line.text)</li>"
                as Markup
        }
        return card("Latest warnings and errors", "<ol class=\"lines\">\(Markup(items))</ol>", isWide: true)
    }

    static let style: Markup = """
        :root{--ground:#f5f5f7;--card:#fff;--ink:#1c1c1e;--quiet:#5f6066;--line:#e2e2e6;--good:#1a7f45;--fair:#9a6200;--bad:#c02626;--accent:#3063d8}
        @media(prefers-color-scheme:dark){:root{--ground:#131316;--card:#1e1e22;--ink:#ececf0;--quiet:#a2a3ab;--line:#33333a;--good:#4cc583;--fair:#e0a546;--bad:#ff7b72;--accent:#84a9ff}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
        main{max-width:1200px;margin:0 auto;padding:20px 16px 40px}
        header{display:flex;flex-wrap:wrap;align-items:center;gap:4px 12px;margin-bottom:16px}
        h1{font-size:21px;margin:0}h2{font-size:13px;font-weight:600;color:var(--quiet);margin:0 0 8px}
        p{margin:0 0 8px}header p{margin:0}header .quiet{margin-left:auto}
        .quiet{color:var(--quiet);font-size:13px}
        .badge{padding:2px 10px;border-radius:99px;border:1px solid currentColor;font-size:13px;font-weight:600}
        .good{color:var(--good);fill:var(--good)}.fair{color:var(--fair);fill:var(--fair)}.bad{color:var(--bad);fill:var(--bad)}
        .complaints{list-style:none;margin:0 0 16px;padding:10px 16px;overflow-wrap:anywhere;background:var(--card);border:1px solid var(--line);border-radius:10px}
        .grid{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:14px}
        .card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px;min-width:0;overflow-wrap:anywhere}.card>:last-child{margin-bottom:0}
        .wide{grid-column:1/-1}
        .big{font-size:26px;font-weight:600;line-height:1.2;font-variant-numeric:tabular-nums}
        .big small{font-size:13px;font-weight:400;color:var(--quiet)}
        table{width:100%;border-collapse:collapse;font-size:14px;margin-bottom:8px}
        th{font-weight:400;text-align:left;white-space:nowrap}thead th{color:var(--quiet);font-size:12px}
        td,thead th+th{text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
        th,td{vertical-align:top;padding:4px 0 4px 10px;border-top:1px solid var(--line)}th:first-child{padding-left:0}
        tr:first-child>*{border-top:0}thead+tbody tr:first-child>*{border-top:1px solid var(--line)}
        .meter{width:30%;vertical-align:middle}.bar{display:block;width:100%;height:8px;border-radius:4px;margin-bottom:0}p+.bar{margin-bottom:8px}
        .track{fill:var(--line)}
        figure{margin:0 0 8px}.hour{display:block;width:100%;height:90px;fill:var(--accent)}
        .hour line{stroke:var(--line);stroke-width:1}
        figcaption{display:flex;justify-content:space-between;font-size:12px;color:var(--quiet);margin-top:4px}
        .lines{list-style:none;margin:0;padding:0;font-size:13px}
        .lines li{padding:5px 0;border-top:1px solid var(--line);overflow-wrap:anywhere}.lines li:first-child{border-top:0}
        time{color:var(--quiet);font-variant-numeric:tabular-nums}
        @media(max-width:900px){.grid{grid-template-columns:repeat(2,minmax(0,1fr))}}
        @media(max-width:620px){.grid{grid-template-columns:minmax(0,1fr)}main{padding:14px 10px 30px}header .quiet{margin-left:0;width:100%}}
        """

    /// Puts a new page's content in the old one's place every ten seconds while somebody looks; what it does not get it leaves alone.
    static let script: Markup = """
        setInterval(async()=>{if(document.hidden)return;try{
        const answer=await fetch(location.href,{cache:"no-store"});if(!answer.ok)return;
        const page=new DOMParser().parseFromString(await answer.text(),"text/html");
        document.querySelector("main").replaceWith(page.querySelector("main"))}catch{}},10000)
        """
}

/// Requests a second over the last hour: a bar a minute.
private struct HourPicture {
    let answersByMinute: [Int]

    private static let height = 60

    var svg: Markup {
        let most = max(answersByMinute.max() ?? 0, 1)
        let bars = answersByMinute.enumerated().filter { $0.element > 0 }.map { minute, count -> Markup in
            let height = max(1, count * Self.height / most)
            return "<rect x=\"\(minute * 5)\" y=\"\(Self.height - height)\" width=\"4\" height=\"\(height)\"/>"
        }
        let peak = Readable.rate(Double(answersByMinute.max() ?? 0) / 60)
        return """
            <figure><svg class="hour" viewBox="0 0 300 \(Self.height)" preserveAspectRatio="none" role="img" \
            aria-label="Requests a second in each minute of the last hour; at most \(peak)">\
            <line x1="0" y1="\(Self.height)" x2="300" y2="\(Self.height)"/>\(Markup(bars))</svg>\
            <figcaption><span>60 min ago</span><span>peak \(peak)/s</span><span>now</span></figcaption></figure>
            """
    }
}
