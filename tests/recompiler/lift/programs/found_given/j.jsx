export default () => <div a={1} {...p}>hi <b/></div>
