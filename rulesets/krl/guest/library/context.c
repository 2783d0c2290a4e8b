/* The meta and ctx modules. What follows from the event, the query or the manifest is read here;
 * the engine is asked for the rest. */
#include "library.h"

static Value transaction(void) {
    return context_get("txn");
}

static Value ruleset_url(void) {
    Value url = context_get("url");
    return is_null(url) ? ask_engine("ctx:rid_url", 0, NULL) : url;
}

static Value ruleset_meta(const char *field) {
    Value v = map_get_ascii(manifest_get("meta"), field);
    return rt_truthy(v) ? v : KRL_NULL;
}

#define PROPERTY(name, expression) \
    LIBRARY(name) { \
        return expression; \
    }

PROPERTY(meta_eci, context_get("eci"))
PROPERTY(meta_host, context_get("host"))
PROPERTY(meta_inEvent, from_boolean(in_event()))
PROPERTY(meta_inQuery, from_boolean(in_query()))
PROPERTY(meta_picoId, context_get("pico"))
PROPERTY(meta_rid, manifest_get("rid"))
PROPERTY(meta_ruleName, context_get("rule"))
PROPERTY(meta_rid_url, ruleset_url())
PROPERTY(meta_rulesetURI, ruleset_url())
PROPERTY(meta_txnId, transaction())
PROPERTY(meta_rulesetConfig, context_get("config"))

PROPERTY(ctx_picoId, context_get("pico"))
PROPERTY(ctx_rid, manifest_get("rid"))
PROPERTY(ctx_rid_url, ruleset_url())
PROPERTY(ctx_rid_config, context_get("config"))
PROPERTY(ctx_rid_version, ruleset_meta("version"))
PROPERTY(ctx_rid_name, ruleset_meta("name"))
PROPERTY(ctx_rid_description, ruleset_meta("description"))
PROPERTY(ctx_rid_author, ruleset_meta("author"))

#define ASKED(name) \
    LIBRARY(ctx_##name) { \
        return ask_engine("ctx:" #name, argument_count, arguments); \
    }

ASKED(parent)
ASKED(children)
ASKED(channels)
ASKED(rulesets)
ASKED(query)
ASKED(eventQuery)
ASKED(logs)

#define ACTED(name) \
    LIBRARY(ctx_##name) { \
        return act_through_engine("ctx:" #name, argument_count, arguments); \
    }

ACTED(newPico)
ACTED(delPico)
ACTED(newChannel)
ACTED(putChannel)
ACTED(upsertChannel)
ACTED(delChannel)
ACTED(install)
ACTED(uninstall)
ACTED(flush)
ACTED(event)

/* What a raise statement of the postlude does. */
LIBRARY(ctx_raiseEvent) {
    rt_raise(argument(0), argument(1), argument(2));
    return KRL_NULL;
}
