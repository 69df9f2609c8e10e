#include "verb.h"
const struct verb verb_policy_explain = { .name = "policy explain", .summary="x", .synopsis="", .help="", .run=NULL};
