extension StatusPage {
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
