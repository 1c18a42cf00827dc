// The same page, in an answer that also asks for trusted types.
import Page from '../page';

// A nonce is for one answer.
export const dynamic = 'force-dynamic';

export default Page;
